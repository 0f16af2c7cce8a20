"""Colour, emptiness and strips are doubted; grey pictures with contrast are not, whatever they are stored in."""

import io

import numpy as np
import pytest
from PIL import Image

from cxr_clip.data.doubts import colour_doubts, pixel_doubts
from support_data import made_up_picture
from support_dicom import dicom

PICTURE = made_up_picture(2, height=300, width=320)


def saved(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, quality=80)
    return stream.getvalue()


def coloured(share: float) -> Image.Image:
    pixels = np.stack([PICTURE] * 3, axis=2)
    pixels[: int(share * len(pixels)), :, 0] = 255
    pixels[: int(share * len(pixels)), :, 1:] = 60
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_colour_is_doubted_from_a_fifth_of_the_pixels_on(kind: str) -> None:
    assert colour_doubts(saved(coloured(0.5), kind)) == ("50% of it is coloured",)
    assert colour_doubts(saved(coloured(0.1), kind)) == ()
    assert colour_doubts(coloured(0.5)) == ("50% of it is coloured",)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA"])
def test_grey_in_any_mode_is_not_doubted(mode: str) -> None:
    assert colour_doubts(Image.fromarray(PICTURE).convert(mode)) == ()
    assert colour_doubts(saved(Image.fromarray(PICTURE).convert("RGB"), "JPEG")) == ()


def test_dicom_has_no_colours_to_look_at() -> None:
    assert colour_doubts(dicom()) == ()


def test_pictures_without_content_are_doubted() -> None:
    assert pixel_doubts(PICTURE) == ()
    assert pixel_doubts(np.full((80, 80), 100, np.uint8)) == ("it has hardly any contrast (deviation 0.0 of 255)",)
    page = np.full((100, 100), 255, np.uint8)
    page[:10] = 0
    assert pixel_doubts(page) == ("90% of it is one grey",)
    assert pixel_doubts(PICTURE[:100]) == ("it is 320 x 100 pixels, longer than 2.5 times its width",)
