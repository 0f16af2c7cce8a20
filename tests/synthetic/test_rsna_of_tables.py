"""Made-up pictures for given tables: each listed patient has one, whose boxes show an opacity."""

from pathlib import Path

import numpy as np
import pytest

from cxr_clip.data.images import decode_image
from cxr_clip.errors import SourceError
from cxr_clip.inspection.inspect_manifest import InspectionRequest, inspect_manifest
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.prepare.rsna_pneumonia import prepare_rsna_pneumonia
from cxr_clip.synthetic import synthesize_rsna_pneumonia

LABELS = "patientId,x,y,width,height,Target\na,100,200,300,400,1\na,600,200,300,400,1\nb,,,,,0\nc,,,,,0\nd,,,,,0\n"
CLASSES = "patientId,class\na,Lung Opacity\nb,Normal\nc,No Lung Opacity / Not Normal\n"
SMALL = PrepareOptions(short_side=64, processes=1)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "stage_2_train_labels.csv").write_text(LABELS)
    (folder / "stage_2_detailed_class_info.csv").write_text(CLASSES)
    return folder


def synthesize(out: Path, tables: Path, *, studies: int, faults: bool = False) -> None:
    synthesize_rsna_pneumonia(out, tables=tables, studies=studies, seed=0, image_size=64, faults=faults)


def test_every_patient_of_the_tables_is_prepared_with_what_they_say(tmp_path: Path, tables: Path) -> None:
    synthesize(tmp_path / "raw", tables, studies=4)
    for file in tables.iterdir():
        assert (tmp_path / "raw" / file.name).read_bytes() == file.read_bytes()
    summary = prepare_rsna_pneumonia(tmp_path / "raw", tmp_path / "out", SMALL)
    assert (summary.studies, summary.rejected, summary.absent_images) == (4, {}, 0)
    found = inspect_manifest(tmp_path / "out", InspectionRequest(samples=0))
    assert (found.faults, found.counts.boxes) == ((), 1)
    assert {label.finding: (label.positive, label.negative) for label in found.labels} == {
        "Pneumonia": (1, 3), "Lung Opacity": (1, 2), "No Finding": (1, 2)
    }  # fmt: skip


def test_a_box_is_whiter_than_the_same_place_without_one(tmp_path: Path, tables: Path) -> None:
    pictures = []
    for name, text in (("with", LABELS), ("without", LABELS.replace("a,100,200,300,400,1\n", ""))):
        (tables / "stage_2_train_labels.csv").write_text(text)
        synthesize(tmp_path / name, tables, studies=1)
        data = (tmp_path / name / "stage_2_train_images" / "a.dcm").read_bytes()
        pictures.append(decode_image(data, short_side=None).astype(int))
    difference = np.abs(pictures[0] - pictures[1]) > 20  # more than what JPEG adds
    assert pictures[0].shape == (1024, 1024)
    rows, columns = np.nonzero(difference)
    assert 100 <= columns.min() < columns.max() < 400
    assert 200 <= rows.min() < rows.max() < 600


def test_fewer_studies_are_a_partial_download_and_more_are_refused(tmp_path: Path, tables: Path) -> None:
    synthesize(tmp_path / "raw", tables, studies=2)
    assert prepare_rsna_pneumonia(tmp_path / "raw", tmp_path / "out", SMALL).absent_images == 2
    with pytest.raises(SourceError, match="lists 4 patients, not 5"):
        synthesize(tmp_path / "more", tables, studies=5)


def test_other_tables_are_another_world(tmp_path: Path, tables: Path) -> None:
    synthesize(tmp_path / "raw", tables, studies=1)
    (tables / "stage_2_train_labels.csv").write_text(LABELS.replace("100", "101"))
    with pytest.raises(SourceError, match="another made-up world"):
        synthesize(tmp_path / "raw", tables, studies=1)


@pytest.mark.parametrize("text", ["patient,x\na,1\n", LABELS.replace("300", "wide"), "\xff"])
def test_tables_that_are_none_are_refused(tmp_path: Path, tables: Path, text: str) -> None:
    (tables / "stage_2_train_labels.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError, match=r"stage_2_train_labels\.csv (is not the table|lists 0 patients)"):
        synthesize(tmp_path / "raw", tables, studies=1)


def test_a_folder_without_tables_and_faults_beside_tables_are_refused(tmp_path: Path, tables: Path) -> None:
    with pytest.raises(SourceError, match=r"has no stage_2_train_labels\.csv"):
        synthesize(tmp_path / "raw", tmp_path, studies=1)
    with pytest.raises(SourceError, match="leave out the faults or the tables"):
        synthesize(tmp_path / "raw", tables, studies=1, faults=True)
