"""Random crops: within the picture, of the area and aspect that are asked for, the whole picture where none fits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_clip.data.crops import Box, between, random_crop


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.01, 1.0), st.floats(1.0, 1.5), st.integers(0, 10**6))
def test_a_crop_lies_within_the_picture(height: int, width: int, low: float, high: float, seed: int) -> None:
    box = random_crop((height, width), (low, high), np.random.default_rng(seed))
    assert min(box.top, box.left) >= 0
    assert min(box.height, box.width) >= 1
    assert box.top + box.height <= height
    assert box.left + box.width <= width


def test_area_and_aspect_are_within_the_limits() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        box = random_crop((1000, 1200), (0.3, 0.6), rng)
        assert 0.298 < box.height * box.width / 1_200_000 < 0.602
        assert 0.748 < box.width / box.height < 1.336


def test_crops_that_cannot_fit_become_the_largest_centre_crop_of_a_permitted_aspect() -> None:
    rng = np.random.default_rng(0)
    assert random_crop((300, 300), (1.1, 1.2), rng) == Box(top=0, left=0, height=300, width=300)
    assert random_crop((300, 900), (1.0, 1.2), rng) == Box(top=0, left=250, height=300, width=400)
    assert random_crop((900, 300), (1.0, 1.2), rng) == Box(top=250, left=0, height=400, width=300)


def test_every_place_is_as_likely() -> None:
    rng = np.random.default_rng(0)
    boxes = [random_crop((100, 100), (0.25, 0.25), rng) for _ in range(2000)]
    centres = np.array([[box.top + box.height / 2, box.left + box.width / 2] for box in boxes])
    assert np.abs(centres.mean(axis=0) - 50).max() < 1.5


def test_a_number_between_bounds_is_that_of_numpy() -> None:
    ours, numpy = np.random.default_rng(3), np.random.default_rng(3)
    drawn = [between((0.8, 1.1), ours) for _ in range(1000)]
    assert drawn == pytest.approx([numpy.uniform(0.8, 1.1) for _ in range(1000)], rel=1e-15)
