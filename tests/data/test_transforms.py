"""Pictures at the model's size: varied within limits for training, fixed otherwise, sides never exchanged."""

import pickle

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_clip.data.crops import random_crop
from cxr_clip.data.transforms import EvalTransform, TrainTransform


def picture(height: int, width: int) -> np.ndarray:
    """A picture with structure everywhere: dark at the left, bright at the right, a fine pattern over it."""
    rows, columns = np.mgrid[0:height, 0:width]
    values = 40 + 160 * columns / width + 20 * np.sin(rows / 3)
    return values.astype(np.uint8)


def still(size: int, **changes: object) -> TrainTransform:
    """A training transform that only crops."""
    return TrainTransform(size, **{"clahe_probability": 0.0, "brightness": 0.0, "contrast": 0.0, **changes})


@settings(deadline=None, max_examples=60)
@given(st.integers(3, 400), st.integers(3, 400), st.sampled_from([8, 32, 65]), st.integers(0, 10**6))
def test_any_picture_comes_out_square(height: int, width: int, size: int, seed: int) -> None:
    given_picture = picture(height, width)
    before = given_picture.copy()
    for result in (
        TrainTransform(size)(given_picture, np.random.default_rng(seed)),
        EvalTransform(size)(given_picture),
    ):
        assert (result.shape, result.dtype) == ((size, size), np.uint8)
        assert result.flags.c_contiguous
    assert np.array_equal(given_picture, before)


def test_the_generator_alone_decides() -> None:
    transform = pickle.loads(pickle.dumps(TrainTransform(32)))
    first, again, other = (transform(picture(64, 50), np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_left_stays_left() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        varied = TrainTransform(128)(picture(150, 150), rng).astype(float)
        assert varied[:, :16].mean() < varied[:, -16:].mean() - 20


def test_a_crop_keeps_four_fifths_of_the_picture_or_more() -> None:
    # Value = column number, so the span of the values is the width of the crop; the transpose gives the height.
    columns = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    shares = []
    for seed in range(300):
        wide = still(200)(columns, np.random.default_rng(seed))
        high = still(200)(columns.T.copy(), np.random.default_rng(seed))
        shares.append(np.ptp(wide.astype(int)) * np.ptp(high.astype(int)) / 200**2)
    assert min(shares) > 0.78
    assert max(shares) <= 1
    assert 0.85 < np.mean(shares) < 0.90


def test_area_above_one_takes_the_whole_picture() -> None:
    columns = np.tile(np.arange(100, dtype=np.uint8), (100, 1))
    for seed in range(50):
        rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
        spans = [
            np.ptp(still(100, crop_scale=(1.1, 1.1))(image, generator).astype(int))
            for image, generator in ((columns, rng), (columns.T.copy(), same))
        ]
        assert spans == [99, 99]


def test_clahe_raises_the_contrast_of_a_flat_picture() -> None:
    flat = (picture(64, 64) // 8 + 100).astype(np.uint8)
    plain, equalised = (
        still(64, clahe_probability=share)(flat, np.random.default_rng(3)).astype(float) for share in (0.0, 1.0)
    )
    assert equalised.std() > 1.5 * plain.std()


def test_clahe_happens_as_often_as_asked() -> None:
    flat = (picture(48, 48) // 8 + 100).astype(np.uint8)
    changed = 0
    for seed in range(200):
        varied, plain = (still(48, clahe_probability=share)(flat, np.random.default_rng(seed)) for share in (0.25, 0.0))
        changed += not np.array_equal(varied, plain)
    assert 30 <= changed <= 70


def test_exact_resizing_is_that_of_evaluation() -> None:
    image = picture(300, 300)
    exact, quick = (still(100, crop_scale=(1.0, 1.1), exact=exact) for exact in (True, False))
    whole = next(
        seed for seed in range(50) if random_crop((300, 300), (1.0, 1.1), np.random.default_rng(seed)).left == 0
    )
    assert np.array_equal(exact(image, np.random.default_rng(whole)), EvalTransform(100)(image))
    assert not np.array_equal(quick(image, np.random.default_rng(whole)), EvalTransform(100)(image))


def test_evaluation_crops_the_centre() -> None:
    image = np.zeros((20, 60), dtype=np.uint8)
    image[:, 20:40] = 255
    assert (EvalTransform(20)(image) == 255).all()
    assert (EvalTransform(20)(image.T.copy()) == 255).all()
