"""The tables of MIMIC-CXR: what they say by study, and what is wrong with them, named by row."""

import gzip
from pathlib import Path

import pytest

from cxr_clip.errors import SourceError
from cxr_clip.prepare.mimic_cxr_tables import patient_of, read_images, read_labels, read_splits, study_key, study_of
from cxr_clip.study import Certainty, Split, View

METADATA = "dicom_id,subject_id,study_id,ViewPosition"


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_a_key_holds_patient_and_study_and_sorts_by_them() -> None:
    key = study_key(10_000_032, 50_414_267)
    assert (patient_of(key), study_of(key)) == (10_000_032, 50_414_267)
    assert study_key(999_999_999, 1) > study_key(999_999_998, 999_999_999) > study_key(999_999_998, 0)


def test_images_are_grouped_by_study_in_the_order_of_the_table(tmp_path: Path) -> None:
    images = read_images(write(tmp_path, f"{METADATA}\nb,2,20,PA\nd,1,12,AP\nc,2,20,LL\na,1,11,\nb,2,20,PA\n"))
    assert [(patient_of(int(key)), study_of(int(key))) for key in images.studies()] == [(1, 11), (1, 12), (2, 20)]
    rows = images.rows(study_key(2, 20))
    assert [images.name(row) for row in rows] == ["b", "c", "b"]
    assert [bool(images.repeated[row]) for row in rows] == [False, False, True]
    assert len(images.rows(study_key(2, 21))) == 0
    assert len(images) == 5


@pytest.mark.parametrize(
    ("position", "view"),
    [
        ("PA", View.PA),
        ("pa", View.PA),
        ("PA LLD", View.PA),
        ("AP", View.AP),
        ("AP AXIAL", View.AP),
        ("LL", View.LATERAL),
        ("LATERAL", View.LATERAL),
        ("XTABLE LATERAL", View.LATERAL),
        ("LAO", View.UNKNOWN),
        ("SWIMMERS", View.UNKNOWN),
        ("", View.UNKNOWN),
    ],
)
def test_view_positions(tmp_path: Path, position: str, view: View) -> None:
    assert read_images(write(tmp_path, f"{METADATA}\na,1,2,{position}\n")).view(0) is view


def test_parts_of_studies_and_of_patients(tmp_path: Path) -> None:
    splits = read_splits(write(tmp_path, "dicom_id,study_id,subject_id,split\na,5,1,train\nb,6,1,test\nc,5,1,train\n"))
    assert splits.of_study(study_key(1, 5)) == (Split.TRAIN,)
    assert splits.of_study(study_key(1, 6)) == (Split.TEST,)
    assert splits.of_study(study_key(1, 7)) == splits.of_study(study_key(2, 5)) == splits.of_patient(2) == ()
    assert splits.of_patient(1) == (Split.TRAIN, Split.TEST)
    assert [splits.count(part) for part in Split] == [1, 0, 1]


def test_labels_by_canonical_name(tmp_path: Path) -> None:
    labels = read_labels(
        write(tmp_path, "subject_id,study_id,Edema,Pleural Effusion\n1,6,1.0,-1\n1,5,0.0,\n1,6,1,-1.0\n")
    )
    assert labels.of_study(study_key(1, 6)) == {"Edema": Certainty.POSITIVE, "Pleural Effusion": Certainty.UNCERTAIN}
    assert labels.of_study(study_key(1, 5)) == {"Edema": Certainty.NEGATIVE}
    assert labels.of_study(study_key(2, 5)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dicom_id,study_id\na,1\n", "no column subject_id, ViewPosition"),
        (f"{METADATA}\n", "lists no image"),
        (f"{METADATA}\n../../etc/passwd,1,2,PA\n", "row 2 has the dicom_id '../../etc/passwd'"),
        (f"{METADATA}\na,1,2,PA\nb,p1,2,PA\n", "row 3 has subject_id 'p1' and study_id '2'"),
        (f"{METADATA}\na,1,99999999999,PA\n", "at most nine digits"),
        (f"{METADATA}\na,١,2,PA\n", "at most nine digits"),
    ],
)
def test_metadata_that_cannot_be_used_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_images(write(tmp_path, text))


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="row 2 has the split 'dev'; it must be train, validate, test"):
        read_splits(write(tmp_path, "subject_id,study_id,split\n1,2,dev\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject_id,study_id\n1,2\n", "must have one column a finding; it has none"),
        ("subject_id,study_id,Edema,Pulmonary Edema\n1,2,1,1\n", "one column a finding"),
        ("subject_id,study_id,Gout\n1,2,1\n", "column 'Gout', which is no finding"),
        ("subject_id,study_id,Edema\n1,2,0.5\n", "row 2: .*0.5"),
        ("subject_id,study_id,Edema\n1,2,1\n1,2,0\n", "two different rows for the study 2"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read_labels(write(tmp_path, text))


@pytest.mark.parametrize("spoil", ["cut", "flip", "text"])
def test_a_damaged_gzip_is_refused(tmp_path: Path, spoil: str) -> None:
    path = write(tmp_path, METADATA + "\n" + "".join(f"{n * 7919:x},{n},{n * n},PA\n" for n in range(500)))
    data = bytearray(path.read_bytes())
    if spoil == "flip":
        data[100:140] = bytes(40)
    path.write_bytes({"cut": data[: len(data) // 2], "flip": data, "text": b"no gzip"}[spoil])
    with pytest.raises(SourceError, match=r"table\.csv\.gz .*get it again"):
        read_images(path)
