"""What a prepared miniature of a data set of single images must hold: its own truth, and all that was planted."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cxr_clip.data.manifest import read_manifest
from cxr_clip.study import Study


def read_truth(world: Path) -> dict[str, dict[str, Any]]:
    return {(row := json.loads(line))["study"]: row for line in (world / "truth.jsonl").read_text().splitlines()}


def require_truth(studies: Iterable[Study], truth: dict[str, dict[str, Any]]) -> None:
    """Each study of the truth is there as it was drawn; boxes are compared elsewhere, where readers differ."""
    found = {study.id: study for study in studies}
    assert found.keys() >= truth.keys()
    for name, row in truth.items():
        study = found[name]
        assert {finding: certainty.value for finding, certainty in study.findings.items()} == row["labels"], name
        assert [(image.path, image.view) for image in study.images] == [(row["path"], row["view"])]
        assert (study.patient, study.age, study.sex) == (row["patient"], row["age"], row["sex"])


def require_faults(prepared: Path, world: Path) -> None:
    """What was left out is what was planted, each with its reason, and nothing else."""
    planted = [json.loads(line) for line in (world / "faults.jsonl").read_text().splitlines()]
    rejected = [json.loads(line) for line in (prepared / "rejected.jsonl").read_text().splitlines()]
    for fault in planted:
        matches = [row for row in rejected if _answers(row, fault)]
        assert matches, (fault, rejected)
        several = fault["path"] is None and fault["study"] is None
        for row in matches if several else matches[:1]:
            rejected.remove(row)
    assert rejected == [], rejected


def _answers(row: dict[str, Any], fault: dict[str, Any]) -> bool:
    """A fault of several images names neither path nor study."""
    keys = ("kind", "path", "study") if fault["path"] or fault["study"] else ("kind",)
    return all(row[key] == fault[key] for key in keys) and fault["reason"] in row["reason"]


def read_prepared(prepared: Path) -> list[Study]:
    return list(read_manifest(prepared))
