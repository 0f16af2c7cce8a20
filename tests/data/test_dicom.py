"""DICOM images come out bone white and air dark, or with a plain reason."""

import builtins
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cxr_clip.data.dicom import decode_dicom, looks_like_dicom
from cxr_clip.data.dicom_header import read_header
from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.data.images import decode_image, for_store
from cxr_clip.errors import ImageError, MissingPackageError
from support_dicom import RAMP, STRETCHED, dataset_of, dicom, without_meta


def test_12_bits_are_stretched_to_8() -> None:
    np.testing.assert_array_equal(decode_dicom(dicom()), STRETCHED)


def test_monochrome1_is_inverted() -> None:
    np.testing.assert_array_equal(decode_dicom(dicom(photometric="MONOCHROME1")), 255 - STRETCHED)


def test_8_bits_without_a_window_are_taken_as_they_are() -> None:
    pixels = np.broadcast_to(np.arange(40, 104, dtype=np.uint8), (32, 64)).copy()
    np.testing.assert_array_equal(decode_dicom(dicom(pixels, bits=8)), pixels)


def test_the_window_sets_the_contrast() -> None:
    shown = decode_dicom(dicom(WindowCenter=1024, WindowWidth=1024))
    linear = np.clip((RAMP - 1023.5) / 1023 + 0.5, 0, 1) * 255  # PS3.3 C.11.2.1.2.1
    np.testing.assert_allclose(shown, linear, atol=0.6)


def test_data_elements_without_preamble_are_seen_to_be_dicom() -> None:
    assert looks_like_dicom(without_meta(dataset_of()))
    assert looks_like_dicom(dicom())
    assert not looks_like_dicom(b"\x89PNG" + bytes(200))


def test_the_windowing_reaches_images_and_what_is_stored_of_them() -> None:
    data = dicom(WindowCenter=4096, WindowWidth=8192)
    np.testing.assert_array_equal(decode_image(data, windowing=Windowing.MIN_MAX), STRETCHED)
    stored = for_store(data, short_side=32, windowing=Windowing.MIN_MAX)
    assert decode_image(stored.data).max() > 250
    assert decode_image(for_store(data, short_side=32).data).max() < 135


def test_nothing_of_the_patient_is_taken_up_or_quoted() -> None:
    names = {"PatientName": "Secret^Person", "PatientID": "S-4711", "InstitutionName": "Secret Hospital"}
    frame, display = read_header(dicom(**names), max_pixels=10_000)
    assert "ecret" not in f"{frame} {display}"
    assert "4711" not in f"{frame} {display}"
    for broken in (
        dicom(photometric="SECRET", **names),
        dicom(VOILUTFunction="SECRET", WindowCenter=5, WindowWidth=9, **names),
        dicom(**names).replace(b"1.2.840.10008.1.2.1\0", b"1.2.47.1.1.1.1.1.1.1"),
        dicom(WindowWidth="7777", WindowCenter="5", **names).replace(b"7777", b"47xy"),
    ):
        with pytest.raises(ImageError) as caught:
            decode_dicom(broken)
        assert "ecret" not in str(caught.value).lower()
        assert "47" not in str(caught.value)


def test_a_dicom_is_shrunk_and_stored_like_other_images() -> None:
    stored = for_store(dicom(), short_side=16)
    assert (stored.height, stored.width, stored.suffix) == (16, 32, "jpg")
    assert decode_image(stored.data).shape == (16, 32)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (dicom(NumberOfFrames=2), "several frames"),
        (dicom(Rows=20_000, Columns=20_000), "more than 80,000,000 pixels"),
        (dicom(RescaleSlope=0, RescaleIntercept=0), "display values"),
        (dicom(RescaleSlope="1e300", RescaleIntercept=0), "display values"),
        (dicom(WindowWidth="7777", WindowCenter="5").replace(b"7777", b"nan "), "display values"),
        (dicom(WindowWidth=100, WindowCenter=50, VOILUTFunction="CURVE"), "display values"),
        (dicom(RescaleSlope="7777", RescaleIntercept="0").replace(b"7777", b"x,yz"), "display values"),
        (dicom(WindowWidth="7777", WindowCenter="5").replace(b"7777", b"wide"), "display values"),
        (dicom(Rows=0), "has no image"),
        (dicom(PixelData=b""), "has no image"),
        (dicom(NumberOfFrames="7777").replace(b"7777", b"x,yz"), "header is damaged"),
        (dicom()[:200], "has no image|damaged"),
        (bytes(128) + b"DICM" + b"\xff" * 300, "has no image|damaged"),
    ],
)
def test_what_cannot_be_shown_gets_a_plain_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_dicom(data)


def test_no_cut_of_a_file_raises_anything_but_an_image_error() -> None:
    data = dicom()
    for end in range(0, len(data), 61):
        try:
            decode_image(data[:end])
        except ImageError:
            continue


def test_without_pydicom_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name in ("pydicom", "imagecodecs"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r'pip install "cxr-clip\[dicom\]"'):
        decode_dicom(dicom())


@pytest.mark.shared
def test_the_real_file_without_meta_information_equals_its_twin_with_it(shared_folder: Path) -> None:
    old = shared_folder / "data" / "dicom" / "CR-MONO1-10-chest_acrnema_or_implicit"
    explicit = old.with_name("CR-MONO1-10-chest_explicitLE.dcm")
    np.testing.assert_array_equal(decode_image(old.read_bytes()), decode_image(explicit.read_bytes()))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.shared
def test_every_real_file_decodes_and_a_chest_is_brighter_in_the_middle_than_in_the_lungs(shared_folder: Path) -> None:
    folder = shared_folder / "data" / "dicom"
    for row in rows(folder):
        for windowing in Windowing:
            picture = decode_image((folder / row["file"]).read_bytes(), short_side=256, windowing=windowing)
            assert min(picture.shape) == min(256, int(row["rows"]), int(row["cols"])), row["file"]
            assert int(picture.max()) - int(picture.min()) > 200, row["file"]
            # The file whose photometric tag was changed on purpose shows the negative.
            if row["kind"] == "chest" and "tagged" not in row["file"]:
                height, width = picture.shape
                lung = picture[height // 3 : height // 2, width // 5 : width // 3].mean()
                spine = picture[height // 2 : height * 3 // 4, int(width * 0.45) : int(width * 0.55)].mean()
                assert spine > lung, row["file"]


@pytest.mark.shared
def test_one_real_picture_in_six_transfer_syntaxes_is_one_picture(shared_folder: Path) -> None:
    """JPEG, JPEG-LS and JPEG 2000, with loss and without; the JPEG one is refused by pydicom's decoders."""
    files = sorted((shared_folder / "data" / "dicom").glob("*extremity*"))
    pictures = {file.stem[-4:]: decode_dicom(file.read_bytes()) for file in files}
    assert sorted(pictures) == ["J2KI", "J2KR", "JLSL", "JLSN", "JPLL", "JPLY"]
    truth = pictures.pop("J2KR").astype(int)
    for name, picture in pictures.items():
        assert np.abs(picture - truth).max() <= (0 if name in ("JLSL", "JPLL") else 12), name
        assert np.abs(picture - truth).mean() < 1, name


@pytest.mark.shared
def test_real_files_cut_short_give_an_image_error(shared_folder: Path) -> None:
    folder = shared_folder / "data" / "dicom"
    for row in rows(folder):
        with pytest.raises(ImageError):
            decode_image((folder / row["file"]).read_bytes()[:3000])
