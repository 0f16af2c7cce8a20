"""Studies are decoded in order, whatever single files do to the decoder."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.data.images import decode_image
from cxr_clip.errors import MissingPackageError
from cxr_clip.prepare import decode
from cxr_clip.prepare.decode import Decoder, decode_study
from cxr_clip.study import Box, ImageFile, Mask, Split, Study
from support_dicom import dicom


class Deadly(str):
    """A path that ends the process which unpickles it, as a decoder's crash would."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (7,)


def study(number: int, *paths: str, boxes: tuple[Box, ...] = ()) -> Study:
    images = tuple(ImageFile(path) for path in paths)
    return Study(f"S{number}", f"P{number}", "test", Split.TRAIN, images, boxes=boxes)


@pytest.fixture
def raw(tmp_path: Path, write_picture) -> Path:
    for number in range(6):
        write_picture(tmp_path / f"{number}.png", seed=number)
    (tmp_path / "broken.png").write_bytes((tmp_path / "0.png").read_bytes()[:60])
    return tmp_path


def test_a_broken_image_leaves_the_study_and_its_boxes_follow(raw: Path) -> None:
    boxes = (Box("Mass", 0, 0, 0, 1, 1), Box("Mass", 2, 0, 0, 0.5, 1))
    decoded = decode_study(raw, study(1, "broken.png", "0.png", "1.png", boxes=boxes), 16)
    assert [image.path for image in decoded.study.images] == ["0.png", "1.png"]
    assert [(image.height, image.width) for image in decoded.study.images] == [(16, 20)] * 2
    assert decoded.study.boxes == (Box("Mass", 1, 0, 0, 0.5, 1),)
    (rejection,) = decoded.rejections
    assert (rejection.kind, rejection.path, rejection.study) == ("image", "broken.png", "S1")
    assert "damaged" in rejection.reason


def test_masks_follow_their_image_too(raw: Path) -> None:
    masks = tuple(Mask("Pneumothorax", image, 20, 25, (0, 500)) for image in (0, 2))
    decoded = decode_study(raw, replace(study(1, "broken.png", "0.png", "1.png"), masks=masks), 16)
    assert decoded.study.masks == (Mask("Pneumothorax", 1, 20, 25, (0, 500)),)


def test_a_study_whose_images_are_all_broken_is_recorded(raw: Path) -> None:
    decoded = decode_study(raw, study(1, "broken.png", "absent.png"), 16)
    assert decoded.pictures == ()
    assert [rejection.kind for rejection in decoded.rejections] == ["image", "image", "study"]
    assert "No such file" in decoded.rejections[1].reason
    assert "none of its images" in decoded.rejections[2].reason


def test_files_beyond_the_limit_are_not_read(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_BYTES", 50)
    assert "larger than" in decode_study(raw, study(1, "0.png"), 16).rejections[0].reason


def test_an_unforeseen_failure_is_a_rejection_and_a_missing_package_is_not(
    raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(data: bytes, *, short_side: int, windowing: Windowing) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(decode, "for_store", fail)
    assert decode_study(raw, study(1, "0.png"), 16).rejections[0].reason == "the decoder failed: ZeroDivisionError"

    def lack(data: bytes, *, short_side: int, windowing: Windowing) -> None:
        raise MissingPackageError("install it")

    monkeypatch.setattr(decode, "for_store", lack)
    with pytest.raises(MissingPackageError):
        decode_study(raw, study(1, "0.png"), 16)


def test_a_process_that_dies_costs_one_study_and_keeps_the_order(raw: Path) -> None:
    studies = [study(number, f"{number % 6}.png") for number in range(40)]
    studies[3] = study(3, "0.png", Deadly("1.png"))
    with Decoder(raw, short_side=16, processes=2) as decoder:
        pooled = list(decoder.decode(studies))
    assert [decoded.study.id for decoded in pooled] == [f"S{number}" for number in range(40)]
    (rejection,) = pooled[3].rejections
    assert (rejection.kind, rejection.path, rejection.study) == ("study", "0.png, 1.png", "S3")
    assert "process died" in rejection.reason
    del pooled[3], studies[3]
    with Decoder(raw, short_side=16, processes=1) as decoder:
        assert list(decoder.decode(studies)) == pooled


def test_what_is_under_way_is_bounded(raw: Path) -> None:
    asked = 0

    def endless():
        nonlocal asked
        while True:
            asked += 1
            yield study(asked, "0.png")

    with Decoder(raw, short_side=16, processes=2) as decoder:
        results = decoder.decode(endless())
        assert [next(results).study.id for _ in range(3)] == ["S1", "S2", "S3"]
    assert asked <= 20


def test_a_script_that_cannot_start_processes_is_told_why(raw: Path) -> None:
    script = raw / "unguarded.py"
    script.write_text(
        "from pathlib import Path\nfrom cxr_clip.prepare.decode import Decoder\n"
        "from cxr_clip.study import ImageFile, Split, Study\n"
        "study = Study('S', 'P', 'test', Split.TRAIN, (ImageFile('0.png'),))\n"
        "with Decoder(Path(__file__).parent, short_side=16, processes=2) as decoder:\n"
        "    print(list(decoder.decode([study])))\n"
    )
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True)
    assert done.stdout == ""
    assert "SourceError: processes for decoding cannot be started: put what your script does under" in done.stderr


@pytest.mark.parametrize("processes", [1, 2])
def test_the_windowing_reaches_the_decoder_of_every_process(raw: Path, processes: int) -> None:
    (raw / "dim.dcm").write_bytes(dicom(WindowCenter=4096, WindowWidth=8192))
    for windowing, brightest in ((Windowing.FILE, 126), (Windowing.MIN_MAX, 255)):
        with Decoder(raw, short_side=32, processes=processes, windowing=windowing) as decoder:
            (decoded,) = decoder.decode([study(1, "dim.dcm")])
        assert abs(int(decode_image(decoded.pictures[0].data).max()) - brightest) < 4
