"""SIIM-ACR pneumothorax: masks are kept to the pixel, several rows an image are several masks, the split is drawn."""

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from cxr_clip.data.run_lengths import picture_of
from cxr_clip.errors import SourceError
from cxr_clip.prepare.records import PrepareOptions, Rejection
from cxr_clip.prepare.siim_pneumothorax import prepare_siim_pneumothorax, read_siim_pneumothorax
from cxr_clip.study import Certainty, Mask, Split, Study, View
from cxr_clip.synthetic.write_siim_pneumothorax import synthesize_siim_pneumothorax
from support_single_images import read_prepared, read_truth, require_faults, require_truth

OPTIONS = PrepareOptions(short_side=64, processes=1)
HEIGHT, WIDTH = 64, 32


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("siim")
    synthesize_siim_pneumothorax(out, studies=16, seed=5, image_size=64, faults=True)
    return out


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared")
    prepare_siim_pneumothorax(world, out, OPTIONS)
    return out


@pytest.fixture
def raw(tmp_path: Path, write_dicom) -> Path:
    """Three images of three patients: two masks, none, one mask."""
    folder = tmp_path / "raw"
    for name in ("1.2.3", "1.2.4", "1.2.5"):
        write_dicom(folder / "dicom-images-train" / f"9.{name}" / f"8.{name}" / f"{name}.dcm", patient=f"p{name}")
    rows = ["1.2.3, 65 2 62 3", "1.2.3, 2040 8", "1.2.4, -1", "1.2.5, 0 2048"]
    (folder / "train-rle.csv").write_text("\n".join(["ImageId, EncodedPixels", *rows]))
    return folder


def drafts(raw: Path) -> dict[str, Study]:
    return {draft.id: draft for draft in read_siim_pneumothorax(raw).drafts if isinstance(draft, Study)}


def official_picture(encoded: str, height: int, width: int) -> np.ndarray:
    """The challenge's own way, pixel by pixel: starts count from the end of the last run, columns come first."""
    flat = np.zeros(height * width, dtype=bool)
    numbers = [int(number) for number in encoded.split()]
    place = 0
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        place += start
        flat[place : place + length] = True
        place += length
    return flat.reshape(width, height).T


def test_a_miniature_comes_out_as_it_was_drawn(world: Path, prepared: Path) -> None:
    truth = read_truth(world)
    studies = read_prepared(prepared)
    require_truth(studies, truth)
    masked = {study.id: study.masks for study in studies if study.id in truth}
    assert sum(bool(masks) for masks in masked.values()) >= 4
    assert any(len(masks) > 1 for masks in masked.values())
    for name, masks in masked.items():
        assert [{**vars(mask), "runs": list(mask.runs)} for mask in masks] == truth[name]["masks"]


def test_all_planted_faults_and_nothing_else_are_left_out(world: Path, prepared: Path) -> None:
    require_faults(prepared, world)


def test_no_patient_is_in_two_splits_and_the_split_is_scikit_learns(world: Path, prepared: Path) -> None:
    with (world / "train-rle.csv").open() as stream:
        images = sorted({row["ImageId"] for row in csv.DictReader(stream)})
    train, rest = train_test_split(images, test_size=0.3, random_state=0)
    test, validate = train_test_split(rest, test_size=0.5, random_state=0)
    sides = {Split.TRAIN: train, Split.TEST: test, Split.VALIDATE: validate}
    studies = read_prepared(prepared)  # reading checks the patients
    assert all(study.id in sides[study.split] for study in studies)
    assert max(sum(study.patient == other.patient for other in studies) for study in studies) > 1


def test_encoded_pixels_become_exact_masks(raw: Path) -> None:
    found = drafts(raw)
    assert found["1.2.3"].findings == {"Pneumothorax": Certainty.POSITIVE}
    assert found["1.2.4"].findings == {"Pneumothorax": Certainty.NEGATIVE}
    assert found["1.2.4"].masks == ()
    assert found["1.2.3"].masks == (
        Mask("Pneumothorax", 0, HEIGHT, WIDTH, (65, 2, 62, 3, 1916)),
        Mask("Pneumothorax", 0, HEIGHT, WIDTH, (2040, 8)),
    )
    for mask, encoded in zip(found["1.2.3"].masks, ("65 2 62 3", "2040 8"), strict=True):
        assert np.array_equal(picture_of(mask), official_picture(encoded, HEIGHT, WIDTH))
    assert picture_of(found["1.2.5"].masks[0]).all()


def test_header_and_tree_give_patient_age_sex_and_view(raw: Path) -> None:
    study = drafts(raw)["1.2.3"]
    assert (study.patient, study.age, study.sex) == ("p1.2.3", 61.0, "F")
    assert study.images[0].view is View.AP
    assert study.images[0].path == "dicom-images-train/9.1.2.3/8.1.2.3/1.2.3.dcm"


def test_masks_of_converted_images_are_in_pixels_of_the_originals(raw: Path, write_picture) -> None:
    for path in raw.rglob("*.dcm"):
        write_picture(raw / "png" / f"{path.stem}.png")
        path.unlink()
    study = drafts(raw)["1.2.3"]
    assert (study.masks[0].height, study.masks[0].width) == (1024, 1024)
    assert sum(study.masks[0].runs) == 1024 * 1024
    assert study.patient == "1.2.3"
    assert study.images[0].view is View.FRONTAL


def test_the_table_of_the_second_stage_comes_first(raw: Path) -> None:
    (raw / "stage_2_train.csv").write_text("ImageId,EncodedPixels\n1.2.3,-1\n1.2.4,65 2\n1.2.5,-1\n")
    assert [bool(study.masks) for study in drafts(raw).values()] == [False, True, False]
    source = read_siim_pneumothorax(raw, labels=raw / "train-rle.csv")
    assert [len(draft.masks) for draft in source.drafts if isinstance(draft, Study)] == [2, 0, 1]


@pytest.mark.parametrize(
    ("rows", "kind", "reason"),
    [
        (["1.2.3, 65 2", "1.2.3, -1"], "study", "a mask in one row and -1, for none, in another"),
        (["1.2.3,"], "study", "a row of this image has neither a mask nor -1"),
        (["1.2.3, 65 2 7"], "mask", "the mask is no list of pairs of numbers"),
        (["1.2.3, 65 -2"], "mask", "the mask is no list of pairs of numbers"),
        (["1.2.3, 65 2 9 1973"], "mask", "the mask ends 1 pixels after the last one of the image, which is 32 x 64"),
    ],
)
def test_rows_that_make_no_mask_are_told_of(raw: Path, rows: list[str], kind: str, reason: str) -> None:
    (raw / "train-rle.csv").write_text("\n".join(["ImageId, EncodedPixels", *rows, "1.2.4, -1", "1.2.5, -1"]))
    left_out = [draft for draft in read_siim_pneumothorax(raw).drafts if isinstance(draft, Rejection)]
    assert [(one.kind, one.study) for one in left_out] == [(kind, "1.2.3")]
    assert reason in left_out[0].reason
    assert ("1.2.3" in drafts(raw)) == (kind == "mask")


def test_a_mask_that_comes_twice_counts_once(raw: Path) -> None:
    rows = ["1.2.3, 65 2", "1.2.3, 65 2", "1.2.4, -1", "1.2.4, -1", "1.2.5, -1"]
    (raw / "train-rle.csv").write_text("\n".join(["ImageId, EncodedPixels", *rows]))
    assert len(drafts(raw)["1.2.3"].masks) == 1
    assert read_siim_pneumothorax(raw).remarks == {"rows that come twice, used once": 2}


def test_a_missing_table_is_named_with_the_mend(raw: Path) -> None:
    (raw / "train-rle.csv").unlink()
    with pytest.raises(SourceError, match=r"has no stage_2_train\.csv or train-rle\.csv .*put the file there"):
        read_siim_pneumothorax(raw)
