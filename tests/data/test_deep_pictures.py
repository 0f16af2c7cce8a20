"""Pictures for a display that sets the window: in their own window they look as `decode_image` makes them."""

import io

import numpy as np
import pytest
from PIL import Image

from cxr_clip.data.deep_pictures import DeepPicture, decode_deep
from cxr_clip.data.images import decode_image
from cxr_clip.errors import ImageError, ImageTooLargeError
from support_dicom import RAMP, dicom, lookup

COLOURS = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
FILES = {
    "plain": dicom(),
    "window": dicom(WindowCenter=900, WindowWidth=600),
    "exact window": dicom(WindowCenter=900, WindowWidth=600, VOILUTFunction="LINEAR_EXACT"),
    "window after rescale": dicom(WindowCenter=500, WindowWidth=900, RescaleSlope=0.5, RescaleIntercept=-40),
    "falling rescale": dicom(WindowCenter=-900, WindowWidth=1200, RescaleSlope=-1, RescaleIntercept=10),
    "low is white": dicom(photometric="MONOCHROME1", WindowCenter=900, WindowWidth=600),
    "low is white, no window": dicom(photometric="MONOCHROME1"),
    "signed": dicom(RAMP.astype(np.int16) - 2048, bits=12, WindowCenter=-100, WindowWidth=900),
    "padding": dicom(PixelPaddingValue=0),
    "padding, low is white": dicom(photometric="MONOCHROME1", PixelPaddingValue=0),
    "table": dicom(VOILUTSequence=[lookup(list(range(0, 4096)))]),
    "modality table": dicom(ModalityLUTSequence=[lookup([value // 2 for value in range(4096)])]),
    "eight bits": dicom((RAMP >> 4).astype(np.uint8), bits=8),
    "colours": dicom(COLOURS, bits=8, photometric="RGB"),
}


def shown(picture: DeepPicture) -> np.ndarray:
    low = picture.centre - picture.width / 2
    return np.clip((picture.values - low) / picture.width, 0, 1) * 255


@pytest.mark.parametrize("name", FILES)
def test_in_its_own_window_a_file_looks_as_it_is_read(name: str) -> None:
    picture = decode_deep(FILES[name], longest=2048)
    assert picture.values.max() < 1 << picture.bits
    np.testing.assert_allclose(shown(picture), decode_image(FILES[name]), atol=2)


def saved(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("top", [200, 4000, 65535])
def test_sixteen_bits_are_kept(top: int) -> None:
    values = np.linspace(0, top, 60).astype(np.uint16).reshape(6, 10)
    data = saved(Image.fromarray(values), "PNG")
    picture = decode_deep(data, longest=2048)
    np.testing.assert_array_equal(picture.values, values)
    assert picture.bits == max(8, top.bit_length())
    np.testing.assert_allclose(shown(picture), decode_image(data), atol=1)


def test_eight_bit_files_have_the_window_of_all_greys() -> None:
    data = saved(Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10)), "JPEG")
    picture = decode_deep(data, longest=2048)
    assert (picture.bits, picture.centre, picture.width) == (8, 127.5, 255.0)
    np.testing.assert_array_equal(picture.values, decode_image(data))


def test_the_twelve_bits_of_a_file_stay_apart() -> None:
    picture = decode_deep(dicom(WindowCenter=900, WindowWidth=600), longest=2048)
    np.testing.assert_array_equal(picture.values, RAMP)
    assert (picture.centre, picture.width) == (899.5, 599)


def test_a_large_picture_is_shrunk_by_area() -> None:
    values = np.repeat(np.repeat(np.arange(12, dtype=np.uint16).reshape(3, 4) * 1000, 5, axis=0), 5, axis=1)
    picture = decode_deep(saved(Image.fromarray(values), "PNG"), longest=4)
    np.testing.assert_array_equal(picture.values, np.arange(12).reshape(3, 4) * 1000)


@pytest.mark.parametrize("data", [dicom(), saved(Image.new("L", (64, 32)), "PNG")], ids=["dicom", "png"])
def test_a_header_of_too_many_pixels_is_refused(data: bytes) -> None:
    with pytest.raises(ImageTooLargeError, match="promises more than 2,047 pixels"):
        decode_deep(data, longest=10, max_pixels=2047)
    assert decode_deep(data, longest=2048, max_pixels=2048).values.shape == (32, 64)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ImageError, match="no known image format"):
        decode_deep(b"words", longest=10)
