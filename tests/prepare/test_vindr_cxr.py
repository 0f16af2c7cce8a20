"""VinDr-CXR: any of three readers makes a finding positive, the consensus labels the test, boxes become fractions."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from cxr_clip.data.findings import VINDR_CXR
from cxr_clip.errors import SourceError
from cxr_clip.prepare.records import PrepareOptions, Rejection
from cxr_clip.prepare.vindr_cxr import prepare_vindr_cxr, read_vindr_cxr
from cxr_clip.study import Box, Certainty, Split, Study, View
from cxr_clip.synthetic.vindr_cxr_labels import CLASSES
from cxr_clip.synthetic.write_vindr_cxr import synthesize_vindr_cxr
from support_single_images import read_prepared, read_truth, require_faults, require_truth

OPTIONS = PrepareOptions(short_side=64, processes=1)
BOXES = "image_id,rad_id,class_name,x_min,y_min,x_max,y_max"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("vindr")
    synthesize_vindr_cxr(out, studies=24, seed=2, image_size=64, faults=True)
    return out


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare_vindr_cxr(world, out, OPTIONS)
    return out


def labels(*rows: str, test: bool = False) -> str:
    """A table of labels: each row is image, reader (without one for the test) and the classes that are seen."""
    names = [name.replace("diseases", "disease") if test else name for name in CLASSES]
    lines = [",".join(["image_id", *([] if test else ["rad_id"]), *names])]
    for row in rows:
        *who, seen = row.split(":")
        lines.append(",".join([*who, *(str(int(name in seen.split("|"))) for name in CLASSES)]))
    return "\n".join(lines)


@pytest.fixture
def raw(tmp_path: Path, write_dicom) -> Path:
    """Two training images and one of the test."""
    folder = tmp_path / "raw"
    for name in ("train/a", "train/b", "test/c"):
        write_dicom(folder / f"{name}.dicom", patient="", view="")
    (folder / "annotations").mkdir()
    readers = ["a:R1:Nodule/Mass|ILD", "a:R2:No finding", "a:R3:ILD|COPD"]
    (folder / "annotations" / "image_labels_train.csv").write_text(
        labels(*readers, *(f"b:R{number}:No finding" for number in (4, 5, 6)))
    )
    (folder / "annotations" / "image_labels_test.csv").write_text(labels("c:Other diseases", test=True))
    rows = ["a,R1,Nodule/Mass,8,16,12,24", "a,R3,ILD,0,0,32,64", "a,R2,No finding,,,,", "b,R4,Other lesion,1,1,2,2"]
    (folder / "annotations" / "annotations_train.csv").write_text("\n".join([BOXES, *rows]))
    return folder


def drafts(raw: Path) -> dict[str, Study]:
    return {draft.id: draft for draft in read_vindr_cxr(raw).drafts if isinstance(draft, Study)}


def rejections(raw: Path) -> list[Rejection]:
    return [draft for draft in read_vindr_cxr(raw).drafts if isinstance(draft, Rejection)]


def positive(study: Study) -> set[str]:
    assert set(study.findings) == set(VINDR_CXR)
    return {name for name, certainty in study.findings.items() if certainty is Certainty.POSITIVE}


def test_a_miniature_comes_out_as_it_was_drawn(world: Path, prepared: Path) -> None:
    truth = read_truth(world)
    studies = read_prepared(prepared)
    require_truth(studies, truth)
    assert len(studies) == len(truth) + 2  # those of the planted box and of both tables
    assert sum(row["labels"]["No Finding"] == "negative" for row in truth.values()) >= 8
    for study in studies:
        assert (study.images[0].path.startswith("test/")) <= (study.split is Split.TEST)


def test_every_box_of_a_reader_lies_where_it_was_drawn(world: Path, prepared: Path) -> None:
    truth = read_truth(world)
    boxes = [(box, truth[study.id]["boxes"]) for study in read_prepared(prepared) if study.id in truth
             for box in study.boxes]  # fmt: skip
    assert len(boxes) > 20
    for box, drawn in boxes:
        sides = np.array([[row[side] for side in ("left", "top", "right", "bottom")] for row in drawn])
        assert np.abs(sides - [box.left, box.top, box.right, box.bottom]).max(axis=1).min() < 0.011


def test_all_planted_faults_and_nothing_else_are_left_out(world: Path, prepared: Path) -> None:
    require_faults(prepared, world)


def test_a_fifth_of_the_training_images_validates_as_scikit_learn_draws_it(world: Path, prepared: Path) -> None:
    with (world / "annotations" / "image_labels_train.csv").open() as stream:
        images = sorted({row["image_id"] for row in csv.DictReader(stream)})
    train, validate = train_test_split(images, test_size=0.2, random_state=0)
    sides = {Split.TRAIN: set(train), Split.VALIDATE: set(validate)}
    studies = [study for study in read_prepared(prepared) if study.split is not Split.TEST]
    assert all(study.id in sides[study.split] for study in studies)
    assert {study.split for study in studies} == set(sides)


def test_any_reader_counts_and_no_finding_is_only_unanimous(raw: Path) -> None:
    found = drafts(raw)
    assert positive(found["a"]) == {"Nodule/Mass", "Interstitial Lung Disease", "COPD"}
    assert positive(found["b"]) == {"No Finding"}
    assert positive(found["c"]) == set()  # another disease: not one with a name, and not free of findings
    assert found["c"].split is Split.TEST


def test_boxes_have_canonical_findings_and_those_without_a_name_are_counted(raw: Path) -> None:
    assert drafts(raw)["a"].boxes == (
        Box("Nodule/Mass", 0, 0.25, 0.25, 0.375, 0.375),
        Box("Interstitial Lung Disease", 0, 0.0, 0.0, 1.0, 1.0),
    )
    assert drafts(raw)["b"].boxes == ()
    assert read_vindr_cxr(raw).remarks == {"boxes of other lesions, which have no name, left out": 1}


def test_headers_give_age_and_sex_and_images_are_frontal(raw: Path) -> None:
    study = drafts(raw)["a"]
    assert (study.patient, study.age, study.sex) == ("a", 61.0, "F")
    assert study.images[0].view is View.FRONTAL


def test_a_png_copy_of_the_same_size_is_as_good(raw: Path, write_picture) -> None:
    before = drafts(raw)["a"].boxes
    (raw / "train" / "a.dicom").unlink()
    write_picture(raw / "train" / "a.png", size=(32, 64))
    assert drafts(raw)["a"].boxes == before
    write_picture(raw / "train" / "a.png", size=(16, 32))
    (rejection,) = rejections(raw)
    assert (rejection.kind, rejection.study) == ("box", "a")
    assert "does not lie in the image, which is 16 wide and 32 high" in rejection.reason


def test_one_part_is_enough_and_tables_may_lie_elsewhere(raw: Path, tmp_path: Path) -> None:
    (raw / "annotations").rename(tmp_path / "tables")
    with pytest.raises(SourceError, match=r"has no image_labels_train\.csv and no image_labels_test\.csv"):
        read_vindr_cxr(raw)
    source = read_vindr_cxr(raw, annotations=tmp_path / "tables")
    assert len([draft for draft in source.drafts if isinstance(draft, Study)]) == 3
    (tmp_path / "tables" / "image_labels_train.csv").unlink()
    first, *others = read_vindr_cxr(raw, annotations=tmp_path / "tables").drafts
    assert isinstance(first, Study)
    assert [draft.reason for draft in others] == ["the table of labels does not list this image"] * 2


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["a:R1:ILD", "a:R2:ILD"], "the table has 2 different rows for this image, not one of each of 3 readers"),
        (["a:R1:ILD", "a:R1:COPD", "a:R2:ILD"], "has 3 different rows for this image, not one of each of 3 readers"),
        (["a:R1:", "a:R2:", "a:R3:"], "the table has no label for this image, not even No finding"),
    ],
)
def test_rows_that_do_not_make_three_readings_are_told_of(raw: Path, rows: list[str], reason: str) -> None:
    others = (f"b:R{number}:No finding" for number in (4, 5, 6))
    (raw / "annotations" / "image_labels_train.csv").write_text(labels(*rows, *others))
    (rejection,) = rejections(raw)
    assert (rejection.kind, rejection.study) == ("study", "a")
    assert reason in rejection.reason


def test_the_same_row_twice_is_one_reading(raw: Path) -> None:
    file = raw / "annotations" / "image_labels_train.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[1]]))
    assert rejections(raw) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ILD", "Gout", "the column 'Gout', which VinDr-CXR 1.0.0 does not have"),
        (",ILD", "", "has no column for Interstitial Lung Disease: download it again"),
    ],
)
def test_other_columns_are_refused(raw: Path, old: str, new: str, message: str) -> None:
    file = raw / "annotations" / "image_labels_test.csv"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(SourceError, match=message):
        read_vindr_cxr(raw)


def test_a_box_without_numbers_is_refused_with_its_line(raw: Path) -> None:
    (raw / "annotations" / "annotations_train.csv").write_text(f"{BOXES}\na,R1,ILD,1,2,x,4\n")
    with pytest.raises(SourceError, match=r"annotations_train\.csv line 2 is no box \(1, 2, x, 4\)"):
        read_vindr_cxr(raw)


def test_summary_counts_are_those_of_the_miniature(world: Path, prepared: Path) -> None:
    summary = json.loads((prepared / "summary.json").read_text())
    assert summary["splits"]["test"] == 24 // 4 + 1
    assert summary["studies"] == 26
