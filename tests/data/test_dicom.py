"""DICOM images come out bone white and air dark, or with a plain reason."""

import builtins
import csv
import io
import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1

from cxr_clip.data.dicom import decode_dicom, looks_like_dicom
from cxr_clip.data.images import decode_image, for_store
from cxr_clip.errors import ImageError, MissingPackageError

RAMP = np.broadcast_to(np.arange(0, 4096, 64, dtype=np.uint16), (32, 64)).copy()


def dicom(pixels: np.ndarray = RAMP, *, bits: int = 12, photometric: str = "MONOCHROME2", **values: Any) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    for name, value in values.items():
        setattr(dataset, name, value)
    return written(dataset)


def written(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


EXPECTED = np.round(RAMP / 4032 * 255)


def test_12_bits_are_stretched_to_8() -> None:
    np.testing.assert_array_equal(decode_dicom(dicom()), EXPECTED)


def test_monochrome1_is_inverted() -> None:
    np.testing.assert_array_equal(decode_dicom(dicom(photometric="MONOCHROME1")), 255 - EXPECTED)


def test_8_bits_without_a_window_are_taken_as_they_are() -> None:
    pixels = np.broadcast_to(np.arange(40, 104, dtype=np.uint8), (32, 64)).copy()
    np.testing.assert_array_equal(decode_dicom(dicom(pixels, bits=8)), pixels)


def test_the_window_sets_the_contrast() -> None:
    shown = decode_dicom(dicom(WindowCenter=1024, WindowWidth=1024))
    linear = np.clip((RAMP - 1023.5) / 1023 + 0.5, 0, 1) * 255  # PS3.3 C.11.2.1.2.1
    np.testing.assert_allclose(shown, linear, atol=0.6)


def test_the_first_of_several_windows_counts_and_a_width_of_zero_is_none() -> None:
    several = decode_dicom(dicom(WindowCenter=[1024, 5], WindowWidth=[1024, 5]))
    np.testing.assert_array_equal(several, decode_dicom(dicom(WindowCenter=1024, WindowWidth=1024)))
    np.testing.assert_array_equal(decode_dicom(dicom(WindowCenter=0, WindowWidth=0)), EXPECTED)


def test_a_window_is_in_rescaled_units() -> None:
    rescaled = dicom(RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=1048, WindowWidth=2048)
    linear = np.clip((RAMP * 2.0 - 1000 - 1047.5) / 2047 + 0.5, 0, 1) * 255
    np.testing.assert_allclose(decode_dicom(rescaled), linear, atol=0.6)


def test_a_voi_lut_is_applied() -> None:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, 12])
    table.add_new("LUTData", "US", [4095 - value for value in range(4096)])
    np.testing.assert_allclose(decode_dicom(dicom(VOILUTSequence=[table])), 255 - EXPECTED, atol=1)


def test_padding_is_black_and_outside_the_stretch() -> None:
    pixels = RAMP.clip(1024, None)
    pixels[:, :8] = 0
    shown = decode_dicom(dicom(pixels, photometric="MONOCHROME1", PixelPaddingValue=0))
    assert (shown[:, :8] == 0).all()
    assert shown[0, 8] == 255
    both = decode_dicom(dicom(RAMP, PixelPaddingValue=0, PixelPaddingRangeLimit=640))
    assert (both[:, :11] == 0).all()
    assert decode_dicom(dicom(np.zeros_like(RAMP), PixelPaddingValue=0)).max() == 0


def test_colour_becomes_luma() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert decode_dicom(dicom(red, bits=8, photometric="RGB"))[0, 0] == 76


def test_a_file_without_meta_information_is_read() -> None:
    dataset = pydicom.dcmread(io.BytesIO(dicom()))
    del dataset.file_meta
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, dataset, implicit_vr=True, little_endian=True, enforce_file_format=False)
    assert looks_like_dicom(stream.getvalue())
    np.testing.assert_array_equal(decode_image(stream.getvalue()), EXPECTED)


def lossless_jpeg(frame: bytes, **values: Any) -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(dicom(**values)))
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    return written(dataset, JPEGLosslessSV1)


def test_lossless_jpeg_of_12_bits_is_decoded() -> None:
    frame = imagecodecs.ljpeg_encode(RAMP, bitspersample=12)
    np.testing.assert_array_equal(decode_dicom(lossless_jpeg(frame)), EXPECTED)
    with pytest.raises(ImageError, match="another size than the header says"):
        decode_dicom(lossless_jpeg(frame, Rows=16))
    with pytest.raises(ImageError, match=r"JPEG Lossless.* cannot be decoded"):
        decode_dicom(lossless_jpeg(frame[:20]))


def test_colour_of_16_bits_is_refused() -> None:
    with pytest.raises(ImageError, match="colour depth"):
        decode_dicom(dicom(np.zeros((4, 4, 3), np.uint16), bits=16, photometric="RGB"))


def test_a_dicom_is_shrunk_and_stored_like_other_images() -> None:
    stored = for_store(dicom(), short_side=16)
    assert (stored.height, stored.width, stored.suffix) == (16, 32, "jpg")
    assert decode_image(stored.data).shape == (16, 32)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (dicom(NumberOfFrames=2), "several frames"),
        (dicom(Rows=20_000, Columns=20_000), "more than 80,000,000 pixels"),
        (dicom(photometric="PALETTE COLOR"), "PALETTE COLOR"),
        (dicom(PixelData=b"\0\0"), "cannot be decoded"),
        (dicom(RescaleSlope="7777", RescaleIntercept="0").replace(b"7777", b"x,yz"), "display values"),
        (dicom(WindowWidth="7777", WindowCenter="5").replace(b"7777", b"wide"), "display values"),
        (dicom(Rows=0), "has no image"),
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


def test_every_real_file_decodes_and_a_chest_is_brighter_in_the_middle_than_in_the_lungs(shared_folder: Path) -> None:
    folder = shared_folder / "data" / "dicom"
    with (folder / "manifest.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        picture = decode_image((folder / row["file"]).read_bytes(), short_side=256)
        assert min(picture.shape) == min(256, int(row["rows"]), int(row["cols"])), row["file"]
        assert int(picture.max()) - int(picture.min()) > 200, row["file"]
        # The file whose photometric tag was changed on purpose shows the negative.
        if row["kind"] == "chest" and "tagged" not in row["file"]:
            height, width = picture.shape
            lung = picture[height // 3 : height // 2, width // 5 : width // 3].mean()
            spine = picture[height // 2 : height * 3 // 4, int(width * 0.45) : int(width * 0.55)].mean()
            assert spine > lung, row["file"]


def test_real_files_cut_short_give_an_image_error(shared_folder: Path) -> None:
    for file in sorted((shared_folder / "data" / "dicom").glob("*")):
        if file.suffix != ".csv" and "J2K" not in file.name.upper():
            with pytest.raises(ImageError):
                decode_image(file.read_bytes()[:3000])


def test_the_real_file_without_meta_information_equals_its_twin_with_it(shared_folder: Path) -> None:
    old = shared_folder / "data" / "dicom" / "CR-MONO1-10-chest_acrnema_or_implicit"
    explicit = old.with_name("CR-MONO1-10-chest_explicitLE.dcm")
    np.testing.assert_array_equal(decode_image(old.read_bytes()), decode_image(explicit.read_bytes()))
