"""The layouts of the CheXpert family: folders, tables, sizes of the world, the same bytes for the same seed."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_clip.errors import SourceError
from cxr_clip.synthetic.write_chexpert import (
    synthesize_chexpert,
    synthesize_chexpert_5x200,
    synthesize_chexpert_plus,
)

SIZE = 48
WRITERS = (synthesize_chexpert, synthesize_chexpert_5x200, synthesize_chexpert_plus)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("chexpert")
    synthesize_chexpert(out, studies=30, seed=1, image_size=SIZE, small=True)
    return out


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_tables_list_every_image_by_its_path_below_the_folder_of_the_release(world: Path) -> None:
    listed = [row["Path"] for name in ("train", "valid") for row in rows(world / f"CheXpert-v1.0-small/{name}.csv")]
    written = [path.relative_to(world).as_posix() for path in (world / "CheXpert-v1.0-small").rglob("*.jpg")]
    assert sorted(listed) == sorted(written)
    for path in listed[:4]:
        picture = cv2.imread(str(world / path), cv2.IMREAD_UNCHANGED)
        assert picture.dtype == np.uint8
        assert picture.ndim == 2
        assert min(picture.shape) == SIZE


def test_training_labels_are_of_four_kinds_and_held_out_ones_of_two(world: Path) -> None:
    train, valid = (rows(world / f"CheXpert-v1.0-small/{name}.csv") for name in ("train", "valid"))
    told = {value for row in train for value in list(row.values())[5:]}
    assert told == {"1.0", "0.0", "-1.0", ""}
    assert {value for row in valid for value in list(row.values())[5:]} == {"1.0", "0.0"}
    assert list(train[0])[:6] == ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding"]
    assert len(train[0]) == 19
    assert {row["AP/PA"] for row in train if row["Frontal/Lateral"] == "Lateral"} == {""}


def test_patients_have_several_studies_and_are_in_one_part(world: Path) -> None:
    truths = [json.loads(line) for line in (world / "truth.jsonl").read_text().splitlines()]
    assert len(truths) == 30
    patients = [truth["patient"] for truth in truths]
    assert len(set(patients)) < len(patients)
    parts = {patient: {t["part"] for t in truths if t["patient"] == patient} for patient in patients}
    assert all(len(found) == 1 for found in parts.values())
    assert {"train", "valid"} == set().union(*parts.values())


def test_the_test_set_names_training_studies_with_one_finding_alone(world: Path) -> None:
    truths = {t["images"][0]: t for t in map(json.loads, (world / "truth.jsonl").read_text().splitlines())}
    named = rows(world / "chexpert_5x200.csv")
    assert named
    for row in named:
        truth = truths[row["Path"].partition("/")[2]]
        assert row["Report Impression"] == truth["report"]["impression"]
        assert [value for value in truth["labels"].values() if value in ("1.0", "-1.0")] == ["1.0"]
        assert sum(row[name] == "1.0" for name in list(row)[1:6]) == 1


def test_reports_of_chexpert_plus_come_with_every_image_and_without_masks(tmp_path: Path) -> None:
    synthesize_chexpert_plus(tmp_path, studies=12, seed=4, image_size=SIZE)
    table = rows(tmp_path / "df_chexpert_plus_240401.csv")
    assert len(table[0]) == 27
    for row in table:
        assert (tmp_path / "PNG" / row["path_to_image"]).with_suffix(".png").is_file()
        assert row["section_findings"] or row["section_impression"]
        assert "XXXX" not in row["report"]
    labels = (tmp_path / "chexbert_labels" / "impression_fixed.json").read_text().splitlines()
    assert [json.loads(line)["path_to_image"].rpartition(".")[0] for line in labels] == [
        row["path_to_image"].rpartition(".")[0] for row in table
    ]


@pytest.mark.parametrize("write", WRITERS)
def test_the_same_seed_gives_the_same_bytes_and_a_finished_world_is_passed_over(tmp_path: Path, write) -> None:
    heard: list[int] = []
    write(tmp_path / "a", studies=4, seed=7, image_size=32, faults=True)
    write(tmp_path / "b", studies=4, seed=7, image_size=32, faults=True)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    write(tmp_path / "a", studies=4, seed=7, image_size=32, faults=True, progress=heard.append)
    assert heard == [4]
    with pytest.raises(SourceError, match="layout"):
        write(tmp_path / "a", studies=4, seed=7, image_size=32)
