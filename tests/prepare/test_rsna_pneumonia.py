"""RSNA pneumonia: labels, classes and boxes become findings, headers give age, sex, view; the split is published."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from sklearn.model_selection import train_test_split

from cxr_clip.errors import SourceError
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.prepare.rsna_pneumonia import CLASSES, LABELS, prepare_rsna_pneumonia, read_rsna_pneumonia
from cxr_clip.study import Box, Certainty, Split, Study, View
from cxr_clip.synthetic.dicom_files import DicomHeader, DicomStyle, dicom_bytes, uid
from cxr_clip.synthetic.write_rsna_pneumonia import synthesize_rsna_pneumonia
from support_single_images import read_prepared, read_truth, require_faults, require_truth

OPTIONS = PrepareOptions(short_side=64, processes=1)
POSITIVE, NEGATIVE = Certainty.POSITIVE, Certainty.NEGATIVE
HEADER = "patientId,x,y,width,height,Target"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rsna")
    synthesize_rsna_pneumonia(out, studies=16, seed=5, image_size=64, faults=True)
    return out


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare_rsna_pneumonia(world, out, OPTIONS)
    return out


@pytest.fixture
def raw(tmp_path: Path, write_dicom) -> Path:
    """Three patients: one with two boxes, one abnormal, one normal."""
    folder = tmp_path / "raw"
    for patient in "abc":
        write_dicom(folder / "stage_2_train_images" / f"{patient}.dcm", patient=patient)
    rows = ["a,8,16,4,8,1", "a,0,0,32,64,1", "b,,,,,0", "c,,,,,0"]
    (folder / LABELS).write_text("\n".join([HEADER, *rows]))
    classes = ["a,Lung Opacity", "a,Lung Opacity", "b,No Lung Opacity / Not Normal", "c,Normal"]
    (folder / CLASSES).write_text("\n".join(["patientId,class", *classes]))
    return folder


def drafts(raw: Path) -> dict[str, Study]:
    return {draft.id: draft for draft in read_rsna_pneumonia(raw).drafts if isinstance(draft, Study)}


def test_a_miniature_comes_out_as_it_was_drawn(world: Path, prepared: Path) -> None:
    truth = read_truth(world)
    studies = read_prepared(prepared)
    require_truth(studies, truth)
    assert len(studies) == len(truth) + 1  # the image whose second box was planted keeps its first
    positives = [row for row in truth.values() if row["labels"]["Pneumonia"] == "positive"]
    assert len(positives) >= 4
    for study in studies:
        if study.id in truth:
            drawn = truth[study.id]["boxes"]
            assert len(study.boxes) == len(drawn)
            for box, row in zip(study.boxes, drawn, strict=True):
                assert vars(box) == pytest.approx(row, abs=1e-4)


def test_all_planted_faults_and_nothing_else_are_left_out(world: Path, prepared: Path) -> None:
    require_faults(prepared, world)
    lost = json.loads((prepared / "summary.json").read_text())
    assert lost["absent_images"] == 1


def test_the_split_is_scikit_learns_over_all_listed_patients(world: Path, prepared: Path) -> None:
    with (world / LABELS).open() as stream:
        patients = sorted({row["patientId"] for row in csv.DictReader(stream)})
    train, rest = train_test_split(patients, test_size=0.3, random_state=0)
    test, validate = train_test_split(rest, test_size=0.5, random_state=0)
    sides = {Split.TRAIN: train, Split.TEST: test, Split.VALIDATE: validate}
    assert all(study.id in sides[study.split] for study in read_prepared(prepared))


def test_classes_and_targets_become_findings_and_rows_boxes(raw: Path) -> None:
    found = drafts(raw)
    assert found["a"].findings == {"Pneumonia": POSITIVE, "Lung Opacity": POSITIVE, "No Finding": NEGATIVE}
    assert found["b"].findings == {"Pneumonia": NEGATIVE, "Lung Opacity": NEGATIVE, "No Finding": NEGATIVE}
    assert found["c"].findings == {"Pneumonia": NEGATIVE, "Lung Opacity": NEGATIVE, "No Finding": POSITIVE}
    assert found["a"].boxes == (Box("Pneumonia", 0, 0.25, 0.25, 0.375, 0.375), Box("Pneumonia", 0, 0.0, 0.0, 1.0, 1.0))
    assert (found["a"].age, found["a"].sex, found["a"].images[0].view) == (61.0, "F", View.AP)


def test_without_the_classes_the_target_alone_speaks(raw: Path) -> None:
    (raw / CLASSES).unlink()
    assert [study.findings for study in drafts(raw).values()] == [
        {"Pneumonia": POSITIVE}, {"Pneumonia": NEGATIVE}, {"Pneumonia": NEGATIVE},
    ]  # fmt: skip
    remark = "patients without a class in the detailed class info"
    assert read_rsna_pneumonia(raw).remarks == {remark: 3}


def test_boxes_of_converted_images_are_in_pixels_of_the_originals(raw: Path, write_picture) -> None:
    (raw / "stage_2_train_images" / "a.dcm").unlink()
    write_picture(raw / "png" / "a.png", size=(32, 32))
    study = drafts(raw)["a"]
    assert study.boxes[0] == Box("Pneumonia", 0, 8 / 1024, 16 / 1024, 12 / 1024, 24 / 1024)
    assert (study.age, study.images[0].view) == (None, View.FRONTAL)


def test_tables_may_lie_elsewhere(raw: Path, tmp_path: Path) -> None:
    expected = drafts(raw)
    for name in (LABELS, CLASSES):
        (raw / name).rename(tmp_path / name)
    with pytest.raises(SourceError, match=f"has no {LABELS} .*put the file there"):
        read_rsna_pneumonia(raw)
    source = read_rsna_pneumonia(raw, labels=tmp_path / LABELS, classes=tmp_path / CLASSES)
    assert {study.id: study for study in source.drafts if isinstance(study, Study)} == expected


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a,1,1,2,x,1", "the box 1, 1, 2, x is not made of numbers"),
        ("a,5,5,0,4,1", "has no area"),
        ("a,-9,5,20,4,1", "does not lie in the image, which is 32 wide and 64 high"),
        ("a,9,5,20,70,1", "does not lie in the image"),
        ("a,nan,5,20,4,1", "has no area"),
    ],
)
def test_a_box_that_is_none_is_left_out_alone(raw: Path, rows: str, reason: str) -> None:
    (raw / LABELS).write_text("\n".join([HEADER, rows, "a,1,1,2,2,1", "b,,,,,0", "c,,,,,0"]))
    rejection, study, *_ = read_rsna_pneumonia(raw).drafts
    assert (rejection.kind, rejection.study) == ("box", "a")
    assert reason in rejection.reason
    assert len(study.boxes) == 1


def test_an_unknown_class_is_named(raw: Path) -> None:
    (raw / CLASSES).write_text("patientId,class\na,Lung Opacity\nb,Odd\nc,Normal\n")
    reasons = [draft.reason for draft in read_rsna_pneumonia(raw).drafts if not isinstance(draft, Study)]
    assert reasons == ["the class 'Odd' is none of lung opacity, no lung opacity / not normal, normal"]


def test_rows_that_contradict_each_other_are_named_with_what_they_say(raw: Path) -> None:
    rows = ["a,8,16,4,8,1", "a,,,,,0", "b,,,,,0", "c,,,,,0"]
    (raw / LABELS).write_text("\n".join([HEADER, *rows]))
    (raw / CLASSES).write_text("patientId,class\na,Lung Opacity\nb,Normal\nc,Normal\nc,Lung Opacity\n")
    reasons = [draft.reason for draft in read_rsna_pneumonia(raw).drafts if not isinstance(draft, Study)]
    assert reasons == [
        "its rows contradict each other in the target: 0, 1",
        "its rows contradict each other in the class: Lung Opacity, Normal",
    ]


def test_a_folder_without_any_listed_image_is_refused(raw: Path) -> None:
    for path in (raw / "stage_2_train_images").iterdir():
        path.rename(path.with_name(f"other-{path.name}"))
    with pytest.raises(SourceError, match=r"none of the 3 listed images.*unpack stage_2_train_images\.zip"):
        read_rsna_pneumonia(raw)


def test_nothing_of_the_header_but_age_sex_and_view_is_kept(prepared: Path, world: Path) -> None:
    assert {study.patient for study in read_prepared(prepared)} <= {path.stem for path in world.rglob("*.dcm")}
    text = (prepared / "manifest.parquet").read_bytes() + (prepared / "summary.json").read_bytes()
    assert b"1.2.826.0" not in text


def test_drafts_are_the_same_each_time_they_are_asked_for(raw: Path) -> None:
    source = read_rsna_pneumonia(raw)
    assert list(source.drafts) == list(source.drafts)


@pytest.mark.shared
def test_real_labels_beside_made_up_images_give_the_published_counts(shared_folder: Path, tmp_path: Path) -> None:
    real = shared_folder / "data" / "rsna_labels"
    with (real / LABELS).open() as stream:
        rows = list(csv.DictReader(stream))
    patients = sorted({row["patientId"] for row in rows})
    data = made_up_dicom(1024)
    for patient in patients[::300]:
        (tmp_path / f"{patient}.dcm").write_bytes(data)
    source = read_rsna_pneumonia(tmp_path, labels=real / LABELS, classes=real / CLASSES)
    studies = [draft for draft in source.drafts if isinstance(draft, Study)]
    assert len(studies) + len(source.absent) == 26_684
    assert {study.id for study in studies} == set(patients[::300])
    target = {row["patientId"]: row["Target"] for row in rows}
    boxes = Counter(row["patientId"] for row in rows if row["x"])
    for study in studies:
        assert (study.findings["Pneumonia"] is POSITIVE) == (target[study.id] == "1")
        assert len(study.boxes) == boxes[study.id]
    train, rest = train_test_split(patients, test_size=0.3, random_state=0)
    test, _ = train_test_split(rest, test_size=0.5, random_state=0)
    assert all((study.split is Split.TRAIN) == (study.id in set(train)) for study in studies)
    assert all((study.split is Split.TEST) == (study.id in set(test)) for study in studies)


def made_up_dicom(side: int) -> bytes:
    import numpy as np

    header = DicomHeader(uid(1), uid(1, 2), uid(1, 2, 3), patient="p", age="033Y", sex="M", view="PA")
    return dicom_bytes(np.zeros((side, side), np.uint8), header, DicomStyle("RLE"))
