"""Miniatures of the three challenges: laid out as the real ones, the same bytes from the same seed, any number."""

import csv
from pathlib import Path

import pydicom
import pytest

from cxr_clip.errors import SourceError
from cxr_clip.synthetic.write_rsna_pneumonia import synthesize_rsna_pneumonia
from cxr_clip.synthetic.write_siim_pneumothorax import synthesize_siim_pneumothorax
from cxr_clip.synthetic.write_vindr_cxr import synthesize_vindr_cxr

WRITERS = {
    "rsna": synthesize_rsna_pneumonia,
    "siim": synthesize_siim_pneumothorax,
    "vindr": synthesize_vindr_cxr,
}
TABLES = {
    "rsna": ["stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"],
    "siim": ["train-rle.csv"],
    "vindr": [
        f"annotations/{stem}_{part}.csv" for stem in ("image_labels", "annotations") for part in ("train", "test")
    ],
}
DEPTHS = {"rsna": 2, "siim": 4, "vindr": 2}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("worlds")
    for name, write in WRITERS.items():
        write(folder / name, studies=12, seed=7, image_size=64)
    return {name: folder / name for name in WRITERS}


def files(world: Path) -> dict[str, bytes]:
    return {str(path.relative_to(world)): path.read_bytes() for path in world.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", WRITERS)
def test_the_layout_is_that_of_the_download(worlds: dict[str, Path], name: str) -> None:
    found = files(worlds[name])
    images = [path for path in found if path.endswith((".dcm", ".dicom"))]
    assert set(found) - set(images) == {*TABLES[name], "truth.jsonl", "world.json"}
    assert {len(Path(path).parts) for path in images} == {DEPTHS[name]}
    assert len(images) == 12


@pytest.mark.parametrize("name", WRITERS)
def test_an_image_depends_on_seed_and_number_alone(worlds: dict[str, Path], tmp_path: Path, name: str) -> None:
    done: list[int] = []
    WRITERS[name](tmp_path / "few", studies=3, seed=7, image_size=64, progress=done.append)
    everything = files(worlds[name])
    for path, data in files(tmp_path / "few").items():
        if path.endswith((".dcm", ".dicom")):
            assert everything[path] == data
    assert done == [1, 2, 3]


@pytest.mark.parametrize("name", WRITERS)
def test_a_world_that_is_there_is_passed_over_and_another_one_refused(worlds: dict[str, Path], name: str) -> None:
    before = files(worlds[name])
    done: list[int] = []
    WRITERS[name](worlds[name], studies=12, seed=7, image_size=64, progress=done.append)
    assert done == [12]
    with pytest.raises(SourceError, match="holds another made-up world"):
        WRITERS[name](worlds[name], studies=12, seed=7, image_size=64, faults=True)
    assert files(worlds[name]) == before


def test_images_of_vindr_have_many_syntaxes_and_depths_and_no_patient(worlds: dict[str, Path]) -> None:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in worlds["vindr"].rglob("*.dicom")]
    assert len({header.file_meta.TransferSyntaxUID for header in headers}) >= 4
    assert len({header.BitsStored for header in headers}) >= 3
    assert {header.PatientID for header in headers} == {""}


def test_three_readers_label_each_training_image_and_one_row_each_test_image(worlds: dict[str, Path]) -> None:
    with (worlds["vindr"] / "annotations" / "image_labels_train.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len({(row["image_id"], row["rad_id"]) for row in rows}) == len(rows) == 3 * 9
    with (worlds["vindr"] / "annotations" / "image_labels_test.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 3


@pytest.mark.shared
def test_headers_of_the_tables_are_those_of_the_real_files(worlds: dict[str, Path], shared_folder: Path) -> None:
    for name in TABLES["rsna"]:
        real = (shared_folder / "data" / "rsna_labels" / name).read_text().splitlines()[0]
        assert (worlds["rsna"] / name).read_text().splitlines()[0] == real
