"""The threshold of embeddings lets through as many pairs as it says, and follows the number of comparisons."""

import numpy as np
import pytest

from cxr_clip.overlap.near_embeddings import distances_apart
from cxr_clip.overlap.threshold import choose_threshold


def points(count: int, *, dim: int, seed: int) -> np.ndarray:
    """Directions that spread evenly over a sphere of `dim` - 1 dimensions."""
    values = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize("dim", [4, 9])
def test_as_many_pairs_as_expected_come_below_the_threshold(dim: int) -> None:
    apart = distances_apart(points(600, dim=dim, seed=0), np.arange(600, dtype=np.uint64))
    evaluation, training = points(2000, dim=dim, seed=1), points(5000, dim=dim, seed=2)
    threshold = choose_threshold(apart, comparisons=2000 * 5000, false_pairs=100)
    assert threshold is not None
    # Exactly (dim - 1) / 2 near zero: the area of a cap.
    assert threshold.power == pytest.approx((dim - 1) / 2, rel=0.25)
    found = (1 - training @ evaluation.T <= threshold.distance).sum()
    assert 20 < found < 500


def test_more_comparisons_and_fewer_false_pairs_ask_for_nearer_ones() -> None:
    apart = distances_apart(points(400, dim=6, seed=3), np.arange(400, dtype=np.uint64))
    chosen = [
        choose_threshold(apart, comparisons=comparisons, false_pairs=false)
        for comparisons, false in ((10**5, 1), (10**9, 1), (10**9, 0.01))
    ]
    distances = [one.distance for one in chosen if one is not None]
    assert distances == sorted(distances, reverse=True)
    assert len(set(distances)) == 3


def test_copies_that_nobody_knows_of_do_not_move_it_far() -> None:
    apart = distances_apart(points(1000, dim=8, seed=4), np.arange(1000, dtype=np.uint64))
    copied = np.concatenate([apart, np.zeros(15, dtype=np.float32)])
    clean, moved = (choose_threshold(values, comparisons=10**7) for values in (apart, copied))
    assert clean is not None
    assert moved is not None
    assert 0.2 < moved.distance / clean.distance <= 1


def test_too_few_pairs_give_no_threshold_and_equal_ones_neither() -> None:
    assert choose_threshold(np.linspace(0.1, 1, 900), comparisons=1000) is None
    assert choose_threshold(np.full(5000, 0.5), comparisons=1000) is None


def test_the_words_say_the_figures() -> None:
    apart = distances_apart(points(400, dim=6, seed=3), np.arange(400, dtype=np.uint64))
    threshold = choose_threshold(apart, comparisons=10**6)
    assert threshold is not None
    assert f"at least {1 - threshold.distance:.5f} counts as near. Of 79,800 pairs" in str(threshold)
    assert "the 1,000,000 comparisons of this audit, 0.1 pairs are expected" in str(threshold)
