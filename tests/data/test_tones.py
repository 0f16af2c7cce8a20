"""Grey values: brightness and contrast are Pillow's, equalisation is that of the lightness of a picture in colour."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from cxr_clip.data.tones import adjust, equalise


def picture(seed: int, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (48, 56)).astype(np.uint8)


@settings(deadline=None, max_examples=60)
@given(st.floats(0.5, 1.5), st.floats(0.5, 1.5), st.booleans(), st.integers(0, 200), st.integers(0, 99))
def test_brightness_and_contrast_are_those_of_pillow(
    brightness: float, contrast: float, contrast_first: bool, low: int, seed: int
) -> None:
    image = picture(seed, low, low + 56)
    steps = [(ImageEnhance.Brightness, brightness), (ImageEnhance.Contrast, contrast)]
    expected = Image.fromarray(image)
    for enhance, factor in reversed(steps) if contrast_first else steps:
        expected = enhance(expected).enhance(factor)
    ours = adjust(image, brightness=brightness, contrast=contrast, contrast_first=contrast_first)
    assert np.array_equal(ours, np.asarray(expected))


def test_no_change_is_no_change() -> None:
    image = picture(0)
    assert np.array_equal(adjust(image, brightness=1.0, contrast=1.0), image)
    assert np.array_equal(adjust(image, brightness=1.0, contrast=1.0, contrast_first=True), image)


@pytest.mark.parametrize("clip", [0.5, 1.0, 2.5, 4.0])
def test_equalisation_is_that_of_the_lightness_in_colour(clip: float) -> None:
    image = picture(1, 60, 120)
    lab = cv2.cvtColor(np.stack([image] * 3, axis=2), cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(clip, (8, 8)).apply(np.ascontiguousarray(lab[..., 0]))
    luma = cv2.cvtColor(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), cv2.COLOR_RGB2GRAY)
    assert np.array_equal(equalise(image, clip=clip), luma)
