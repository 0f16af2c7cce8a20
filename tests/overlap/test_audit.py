"""An audit names what a training and an evaluation share, and leaves files and a page that say so."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn.functional import normalize

from cxr_clip.errors import EvaluationError, ManifestError
from cxr_clip.overlap.audit import Audit, Kind, audit, name_matches
from cxr_clip.overlap.audit_manifests import OverlapRequest, audit_manifests
from cxr_clip.overlap.near_embeddings import near_by_embedding
from cxr_clip.overlap.sides import open_parts, read_side
from cxr_clip.overlap.written import write_audit
from cxr_clip.study import Split
from support_overlap import CLEAN, LONG, TRAINING, Case, radiograph, recompressed, write_cases

BLANK = np.zeros((128, 128), dtype=np.uint8)
SHARED = [
    replace(CLEAN[0], id="same-patient", patient="p1", picture=radiograph(200), report=LONG.format(200)),
    replace(CLEAN[0], id="same-file", patient="x1", picture=TRAINING[2].picture, report=LONG.format(201)),
    replace(CLEAN[0], id="near", patient="x2", picture=recompressed(TRAINING[3].picture), report=LONG.format(202)),
    replace(CLEAN[0], id="same-report", patient="x3", picture=radiograph(203), report=TRAINING[4].report.upper()),
]
EVALUATION = [*CLEAN, *SHARED]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cases(tmp_path_factory.mktemp("training"), TRAINING, split=Split.TRAIN)


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cases(tmp_path_factory.mktemp("evaluation"), EVALUATION, split=Split.TEST)


@pytest.fixture(scope="module")
def found(training: Path, evaluation: Path) -> Audit:
    return audit_manifests(OverlapRequest((training,), evaluation))


def named(found: Audit) -> dict[str, list[tuple[str, str]]]:
    return {
        kind.value: [(match.evaluation_study, match.training_study) for match in name_matches(found, kind)]
        for kind in found.hits
    }


def test_every_kind_of_overlap_is_named_with_what_it_is_an_overlap_with(found: Audit) -> None:
    assert named(found) == {
        "patient": [("same-patient", "t1")],
        "equal image": [("same-file", "t2")],
        "same pixels": [],
        "near image": [("near", "t3")],
        "equal report": [("same-report", "t4")],
        "common report": [],
    }
    assert found.clean.tolist() == [True] * 3 + [False] * 4
    assert found.verdict == "overlapping: 4 of 7 studies"


def test_a_clean_evaluation_is_clean(training: Path, tmp_path: Path) -> None:
    folder = write_cases(tmp_path / "clean", CLEAN, split=Split.TEST)
    assert audit_manifests(OverlapRequest((training,), folder)).verdict == "clean"


def test_several_trainings_are_numbered_through(training: Path, evaluation: Path, tmp_path: Path) -> None:
    other = write_cases(tmp_path / "other", [Case("u0", "q1", radiograph(300))], split=Split.TRAIN)
    found = audit_manifests(OverlapRequest((other, training), evaluation))
    assert named(found)["patient"] == [("e1", "u0"), ("same-patient", "t1")]
    assert named(found)["near image"] == [("near", "t3")]
    manifests = {match.training_study: match.training_manifest for match in name_matches(found, Kind.PATIENT)}
    assert manifests == {"u0": str(other), "t1": str(training)}


@pytest.mark.parametrize(
    ("source", "salt", "patients"),
    [("chexpert_5x200", None, 1), ("rsna_pneumonia", None, 0), ("chexpert_5x200", "salted", 0)],
)
def test_patients_are_compared_where_their_names_mean_the_same(
    tmp_path: Path, source: str, salt: str | None, patients: int
) -> None:
    training = write_cases(tmp_path / "training", TRAINING[:2], split=Split.TRAIN, source="chexpert")
    cases = [Case("e", "p1", radiograph(400))]
    evaluation = write_cases(tmp_path / "evaluation", cases, split=Split.TEST, source=source, salt=salt)
    found = audit_manifests(OverlapRequest((training,), evaluation))
    assert len(found.hits[Kind.PATIENT]) == patients
    assert any("hashed with different salts" in note for note in found.notes) == (salt is not None)


def test_blank_pictures_are_said_not_to_be_compared(tmp_path: Path) -> None:
    blank = [Case("a", "a", BLANK), Case("b", "b", radiograph(1))]
    training = write_cases(tmp_path / "training", blank, split=Split.TRAIN)
    evaluation = write_cases(tmp_path / "evaluation", [Case("c", "c", BLANK)], split=Split.TEST)
    found = audit_manifests(OverlapRequest((training,), evaluation))
    assert found.verdict == "clean"
    assert found.notes == (
        "1 of 2 images of the training are unreadable or blank: not compared.",
        "1 of 1 images of the evaluation are unreadable or blank: not compared.",
    )


class Thumbnails:
    """Embeds a picture by its own small version, whichever its edges are."""

    def embed_images(self, images: Sequence[np.ndarray]) -> torch.Tensor:
        middle = [image[16:-16, 16:-16] for image in images]
        small = np.stack([cv2.resize(one, (8, 8), interpolation=cv2.INTER_AREA).ravel() for one in middle])
        values = torch.from_numpy(small.astype(np.float32))
        return normalize(values - values.mean(dim=1, keepdim=True), dim=1)


def test_embeddings_find_a_copy_with_another_edge_that_the_hash_does_not(tmp_path: Path) -> None:
    cases = [Case(f"t{number}", f"p{number}", radiograph(number)) for number in range(64)]
    framed = cases[5].picture.copy()
    framed[:14], framed[:, :14], framed[-14:], framed[:, -14:] = 255, 255, 0, 0
    others = [Case(f"e{number}", f"q{number}", radiograph(500 + number)) for number in range(20)]
    training = write_cases(tmp_path / "training", cases, split=Split.TRAIN)
    evaluation = write_cases(tmp_path / "evaluation", [*others, Case("framed", "x", framed)], split=Split.TEST)
    one, other = (
        read_side(open_parts([folder], [split]), threads=1)
        for folder, split in ((training, Split.TRAIN), (evaluation, Split.TEST))
    )
    steps: list[tuple[int, int]] = []
    found = near_by_embedding(Thumbnails(), one, other, advance=lambda done, total: steps.append((done, total)))
    assert found.threshold is not None
    assert found.hits.evaluation.tolist() == [20]
    assert found.hits.training.tolist() == [5]
    assert steps[-1] == (21 + 64 + 64, 21 + 64 + 64)
    whole = audit(one, other, by_embedding=lambda *_: (found.hits, str(found)))
    assert named(whole)["near image"] == []
    assert named(whole)["near embedding"] == [("framed", "t5")]
    assert whole.overlapping == 1


def test_the_files_say_what_the_audit_found(found: Audit, tmp_path: Path) -> None:
    write_audit(found, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "overlap.json").read_text())
    assert record["verdict"] == "overlapping: 4 of 7 studies"
    assert {row["kind"]: row["studies"] for row in record["kinds"]} == {
        "patient": 1, "equal image": 1, "same pixels": 0, "near image": 1, "equal report": 1, "common report": 0
    }  # fmt: skip
    assert sum(record["nearest_hash_distances"].values()) == 7
    rows = pq.read_table(tmp_path / "out" / "overlap.parquet").to_pylist()
    assert [(row["kind"], row["evaluation_study"], row["training_study"]) for row in rows] == [
        ("patient", "same-patient", "t1"),
        ("equal image", "same-file", "t2"),
        ("near image", "near", "t3"),
        ("equal report", "same-report", "t4"),
    ]
    assert [(row["evaluation_image"], row["matches"]) for row in rows] == [(None, 1), (0, 1), (0, 1), (None, 1)]
    assert 0 < rows[2]["distance"] <= 10
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "overlap.html", "overlap.json", "overlap.parquet"
    ]  # fmt: skip


def test_the_page_stands_alone_and_shows_near_pairs_side_by_side(tmp_path: Path) -> None:
    common = [Case(f"c{number}", f"c{number}", radiograph(600 + number), "Normal <b>chest</b>.") for number in range(2)]
    one = write_cases(tmp_path / "one", [*TRAINING, common[0]], split=Split.TRAIN, source="chestxray14")
    other = write_cases(tmp_path / "other", [*EVALUATION, common[1]], split=Split.TEST, source="rsna_pneumonia")
    page = write_audit(audit_manifests(OverlapRequest((one,), other)), tmp_path / "out").read_text()
    assert "near, image 1, other" in page
    assert "t3, image 1, one" in page
    assert "of 256 bits differ" in page
    assert "Shih et al." in page
    assert "normal b chest b" in page
    assert "<b>" not in page
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!data:image/jpeg;base64,)', page) == []


def test_the_command_writes_and_with_strict_fails(
    command: Callable[..., int], training: Path, evaluation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("overlap", training, evaluation, "--out", tmp_path / "a", "-q") == 0
    assert "overlapping: 4 of 7 studies" in capsys.readouterr().out
    assert command("overlap", training, evaluation, "--out", tmp_path / "a", "-q", "--strict") == 1
    clean = write_cases(tmp_path / "clean", CLEAN, split=Split.TEST)
    assert command("overlap", training, clean, "--out", tmp_path / "b", "-q", "--strict") == 0
    assert command("overlap", training) == 2


def test_what_is_missing_is_named(training: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no manifest"):
        audit_manifests(OverlapRequest((training,), tmp_path))
    with pytest.raises(EvaluationError, match="no study in the split test"):
        audit_manifests(OverlapRequest((training,), training))
