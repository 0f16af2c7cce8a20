"""A prompt file that lacks what label-only studies may state is refused before anything is made, and no other is."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from cxr_clip import assemble
from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.data.prompts import load_prompt_bank, sayable, write_prompt_report
from cxr_clip.errors import PromptError
from cxr_clip.study import Certainty
from support_data import write_tiny_manifest
from support_models import tiny_recipe

POSITIVE, NEGATIVE, UNCERTAIN = Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN
NAMES = ("No Finding", "Mass", "Edema", "Fracture")
CASES: tuple[dict[str, Certainty], ...] = (
    {"Mass": POSITIVE, "Edema": NEGATIVE},
    {"Mass": UNCERTAIN, "No Finding": NEGATIVE},
    {"Mass": NEGATIVE, "Edema": NEGATIVE},
    {"Mass": NEGATIVE, "No Finding": NEGATIVE},
    {"No Finding": NEGATIVE},
    {"No Finding": UNCERTAIN, "Edema": NEGATIVE},
    {"No Finding": POSITIVE, "Edema": POSITIVE},
)


def manifest_of(folder: Path, findings: Mapping[str, Certainty], *, label_only: str) -> Path:
    """Studies with reports, but one with these labels only."""
    manifest = write_tiny_manifest(folder, label_only_every=None)
    studies = list(read_manifest(manifest))
    with ManifestWriter(manifest / "manifest.parquet") as writer:
        for study in studies:
            writer.write(replace(study, sections={}, findings=findings) if study.id == label_only else study)
    return manifest


def opened(manifest: Path, prompts: Path, *, negatives: int | None) -> None:
    sources = [{"manifest": str(manifest), "negatives": negatives}]
    assemble.open_sources(tiny_recipe(manifest, ("data.sources", sources), ("data.prompts", str(prompts))).data)


def write_prompts(path: Path, more: Iterable[tuple[str, Certainty]] = ()) -> Path:
    """A positive sentence for each finding, which every file must have, and one for each pair of `more`."""
    lists = {name: {POSITIVE.value: [f"{name} positive."]} for name in NAMES}
    for name, certainty in more:
        lists[name][certainty.value] = [f"{name} {certainty.value}."]
    path.write_text(json.dumps({"findings": lists}))
    return path


def drawn(findings: Mapping[str, Certainty], path: Path, *, negatives: int | None) -> set[tuple[str, Certainty]]:
    """The slow way: what 60 prompt reports state."""
    bank = load_prompt_bank(write_prompts(path, product(NAMES, Certainty)))
    reports = [
        write_prompt_report(findings, bank, np.random.default_rng(seed), negatives=negatives) for seed in range(60)
    ]
    return {(n, c) for n, c in product(NAMES, Certainty) if any(f"{n} {c.value}." in report for report in reports)}


@pytest.mark.parametrize("findings", CASES, ids=str)
@pytest.mark.parametrize("negatives", [None, 0, 1])
def test_what_may_be_stated_is_asked_for_and_nothing_else(
    tmp_path: Path, findings: dict[str, Certainty], negatives: int | None
) -> None:
    stated = drawn(findings, tmp_path / "all.json", negatives=negatives)
    asked = set(sayable(findings, negatives=negatives))
    assert asked == stated


def test_a_gap_is_told_with_all_that_is_missing(tmp_path: Path) -> None:
    findings = {"Mass": UNCERTAIN, "Edema": NEGATIVE, "Fracture": NEGATIVE}
    manifest = manifest_of(tmp_path / "data", findings, label_only="train-1")
    prompts = write_prompts(tmp_path / "own.json")
    with pytest.raises(PromptError, match=r"negative for 'Edema', 'Fracture'; uncertain for 'Mass'"):
        opened(manifest, prompts, negatives=3)
    with pytest.raises(PromptError, match=r"needs: uncertain for 'Mass'\."):
        opened(manifest, prompts, negatives=0)
    opened(manifest, write_prompts(prompts, [("Mass", UNCERTAIN)]), negatives=0)


def test_validation_studies_count_too_and_test_studies_do_not(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path / "own.json")
    checked = manifest_of(tmp_path / "checked", {"Mass": UNCERTAIN}, label_only="validate-1")
    with pytest.raises(PromptError, match="uncertain for 'Mass'"):
        opened(checked, prompts, negatives=3)
    opened(manifest_of(tmp_path / "tested", {"Mass": UNCERTAIN}, label_only="test-1"), prompts, negatives=3)
