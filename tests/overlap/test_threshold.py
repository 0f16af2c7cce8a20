"""The threshold of embeddings lets through as many pairs as it says, and follows the number of comparisons."""

import numpy as np
import pytest

from cxr_clip.overlap.near_embeddings import distances_apart
from cxr_clip.overlap.near_hashes import NEAR_BITS, bits_apart, choose_bits
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
    assert choose_threshold(np.linspace(0.1, 1, 1900), comparisons=1000) is None
    assert choose_threshold(np.full(5000, 0.5), comparisons=1000) is None


def test_the_words_say_the_figures() -> None:
    apart = distances_apart(points(400, dim=6, seed=3), np.arange(400, dtype=np.uint64))
    threshold = choose_threshold(apart, comparisons=10**6)
    assert threshold is not None
    words = threshold.in_words("this")
    assert "Of 79,800 pairs of images of different patients the closest has this" in words
    assert "the 1,000,000 comparisons of this audit, 0.1 pairs are expected" in words


def hashes(count: int, *, alike: float, seed: int) -> np.ndarray:
    """Hashes of which that share of the bits is the same in all."""
    rng = np.random.default_rng(seed)
    bits = rng.random((count, 256)) < 0.5
    bits[:, : round(256 * alike)] = rng.random(round(256 * alike)) < 0.5
    return np.packbits(bits, axis=1)


def test_fewer_bits_count_where_pictures_are_alike_and_never_more_than_ten() -> None:
    patients = np.arange(300, dtype=np.uint64)
    chosen = [
        choose_bits(bits_apart(hashes(300, alike=alike, seed=0), patients), comparisons=10**8)
        for alike in (0, 0.75, 0.9)
    ]
    bits = [one for one, _ in chosen]
    assert bits[0] == NEAR_BITS
    assert bits == sorted(bits, reverse=True)
    assert bits[2] < bits[1]
    assert chosen[0][1].startswith("Hashes that differ in at most 10 of 256 bits count as near. At most 10 whatever")
    assert chosen[2][1].startswith(
        f"Hashes that differ in at most {bits[2]} of 256 bits count as near. Of 44,850 pairs"
    )


def test_bits_apart_are_those_of_different_patients() -> None:
    three = hashes(3, alike=0, seed=1)
    expected = np.unpackbits(three[0] ^ three[1]).sum(), np.unpackbits(three[1] ^ three[2]).sum()
    assert bits_apart(three, np.asarray([4, 9, 4], dtype=np.uint64)).tolist() == [*expected]
