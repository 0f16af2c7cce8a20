"""The MIMIC-CXR layout: tree, gzipped tables of either release, zip or texts, JPG or DICOM, determinism, faults."""

import csv
import gzip
import json
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_clip.data.dicom import decode_dicom
from cxr_clip.errors import SourceError
from cxr_clip.study import Certainty
from cxr_clip.synthetic import MimicEdition, synthesize_mimic_cxr
from cxr_clip.synthetic.chexpert_labels import chexpert_labels, label_text
from cxr_clip.synthetic.house_styles import Report
from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.write_mimic_cxr_report import mimic_report

STUDIES, SIZE = 30, 64
DICOM = MimicEdition.DICOM_2_1_0


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("mimic_cxr")
    synthesize_mimic_cxr(out, studies=STUDIES, seed=2, image_size=SIZE)
    return out


@pytest.fixture(scope="module")
def dicom_world(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("mimic_cxr_dicom")
    synthesize_mimic_cxr(out, studies=8, seed=2, image_size=SIZE, edition=DICOM)
    return out


def table(world: Path, kind: str, release: str = "2.0.0") -> list[dict[str, str]]:
    with gzip.open(world / f"mimic-cxr-{release}-{kind}.csv.gz", "rt", newline="") as file:
        return list(csv.DictReader(file))


def truths(world: Path) -> list[dict]:
    return [json.loads(line) for line in (world / "truth.jsonl").read_text().splitlines()]


def test_images_lie_in_the_folder_of_patient_and_study(world: Path) -> None:
    rows = table(world, "metadata")
    paths = {
        f"files/p{row['subject_id'][:2]}/p{row['subject_id']}/s{row['study_id']}/{row['dicom_id']}.jpg" for row in rows
    }
    assert paths == {path.relative_to(world).as_posix() for path in world.rglob("*.jpg")}
    assert all(re.fullmatch(r"1\d{7}/5\d{7}", f"{row['subject_id']}/{row['study_id']}") for row in rows)
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}", row["dicom_id"]) for row in rows)
    for row in rows:
        path = next(world.rglob(f"{row['dicom_id']}.jpg"))
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (int(row["Rows"]), int(row["Columns"]))


def test_tables_tell_the_truth(world: Path) -> None:
    told = {truth["study"]: truth for truth in truths(world)}
    assert len(told) == STUDIES
    for row in table(world, "metadata"):
        truth = told[row["study_id"]]
        assert truth["patient"] == row["subject_id"]
        assert row["ViewPosition"] == truth["positions"][truth["images"].index(row["dicom_id"])]
    assert {(row["study_id"], row["split"]) for row in table(world, "split")} == {
        (study, truth["splits"][0]) for study, truth in told.items()
    }
    for row in table(world, "chexpert"):
        given = {name: int(float(text)) for name, text in list(row.items())[2:] if text}
        assert given == told[row["study_id"]]["labels"]
    assert [row["study_id"] for row in table(world, "negbio")] == [row["study_id"] for row in table(world, "chexpert")]


def test_the_world_has_what_makes_the_real_one_awkward(world: Path) -> None:
    told = truths(world)
    assert {text for truth in told for text in truth["splits"]} == {"train", "validate", "test"}
    assert {"PA", "AP", "LATERAL", "LL", ""} <= {text for truth in told for text in truth["positions"]}
    assert {1, 0, -1} == {label for truth in told for label in truth["labels"].values()}
    assert {len(truth["images"]) for truth in told} == {1, 2, 3}
    assert len({truth["patient"] for truth in told}) < STUDIES
    assert len({truth["style"] for truth in told}) == 6


def test_reports_come_in_their_zip(world: Path) -> None:
    assert not list(world.rglob("*.txt"))
    with zipfile.ZipFile(world / "mimic-cxr-reports.zip") as archive:
        assert len(archive.namelist()) == STUDIES
        texts = {Path(name).stem.removeprefix("s"): archive.read(name).decode() for name in archive.namelist()}
    for truth in truths(world):
        words = " ".join(texts[truth["study"]].split())
        assert all(" ".join(text.split()) in words for text in truth["sections"].values())
        assert "XXXX" not in words
        assert not re.search(r"\d-year-old", words)
    assert any("___" in text for text in texts.values())


def test_the_dicom_tree_has_texts_beside_the_studies_and_the_tables_of_its_release(dicom_world: Path) -> None:
    rows = table(dicom_world, "metadata", "2.1.0")
    assert {row["dicom_id"] for row in rows} == {path.stem for path in dicom_world.rglob("*.dcm")}
    for row in rows:
        folder = dicom_world / "files" / f"p{row['subject_id'][:2]}" / f"p{row['subject_id']}"
        assert (folder / f"s{row['study_id']}.txt").is_file()
        picture = decode_dicom((folder / f"s{row['study_id']}" / f"{row['dicom_id']}.dcm").read_bytes())
        assert picture.shape == (int(row["Rows"]), int(row["Columns"]))
    assert not list(dicom_world.rglob("*.jpg"))


def test_the_same_seed_gives_the_same_bytes_and_another_world_is_refused(dicom_world: Path, tmp_path: Path) -> None:
    synthesize_mimic_cxr(tmp_path / "again", studies=8, seed=2, image_size=SIZE, edition=DICOM)
    first = {path.relative_to(dicom_world): path.read_bytes() for path in dicom_world.rglob("*") if path.is_file()}
    again = tmp_path / "again"
    assert first == {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}
    heard: list[int] = []
    synthesize_mimic_cxr(again, studies=8, seed=2, image_size=SIZE, edition=DICOM, progress=heard.append)
    assert heard == [8]
    with pytest.raises(SourceError, match="another made-up world"):
        synthesize_mimic_cxr(again, studies=8, seed=2, image_size=SIZE)


def test_faults_are_written_down(tmp_path: Path) -> None:
    synthesize_mimic_cxr(tmp_path, studies=STUDIES, seed=2, image_size=SIZE, faults=True)
    faults = [json.loads(line) for line in (tmp_path / "faults.jsonl").read_text().splitlines()]
    assert {fault["kind"] for fault in faults} == {"image", "study", "report", "labels", "absent"}
    assert len({fault["reason"] for fault in faults}) >= 11
    absent = [path for truth in truths(tmp_path) for path in truth["absent"]]
    assert len(absent) == 2
    assert sorted(absent) == sorted(fault["path"] for fault in faults if fault["kind"] == "absent")
    assert not any((tmp_path / path).exists() for path in absent)


def test_labels_follow_the_findings() -> None:
    def labels(*findings: FindingInstance) -> dict[str, int]:
        return chexpert_labels(findings, np.random.default_rng(0))

    sure = FindingInstance("Mass", 0)
    doubt = FindingInstance("Nodule", 0, certainty=Certainty.UNCERTAIN)
    assert labels(doubt)["Lung Lesion"] == -1
    assert labels(sure, doubt)["Lung Lesion"] == 1
    assert labels(doubt, sure)["Lung Lesion"] == 1
    assert labels()["No Finding"] == labels(FindingInstance("Support Devices", 0))["No Finding"] == 1
    assert "No Finding" not in labels(FindingInstance("Emphysema", 0))
    assert [label_text({"Edema": value}, "Edema") for value in (1, 0, -1)] == ["1.0", "0.0", "-1.0"]
    assert label_text({}, "Edema") == ""


def test_every_style_has_the_title_and_only_masked_ages() -> None:
    report = Report("57-year-old male with cough.", "XXXX.", "The lungs are clear.", None)
    found = {}
    for seed in range(60):
        made = mimic_report(report, np.random.default_rng(seed), with_lateral=True)
        found[made.style] = made
    assert set(found) == {"full", "views", "joint", "bare", "wet read", "addendum"}
    for made in found.values():
        assert "FINAL REPORT" in made.text
        assert "57" not in made.text
        assert (made.findings, made.impression) == ("The lungs are clear.", None)
    assert ":" not in found["bare"].text
    assert found["wet read"].text.startswith("WET READ: ___")
    assert "ADDENDUM" in found["addendum"].text
