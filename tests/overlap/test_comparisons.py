"""Equal keys, nearest hashes and nearest embeddings are those that comparing every pair finds."""

import numpy as np
import pytest

from cxr_clip.overlap.hits import equal_keys, keys_of
from cxr_clip.overlap.near_embeddings import distances_apart
from cxr_clip.overlap.near_hashes import compare_hashes, usable_hashes
from cxr_clip.overlap.nearest import Nearest


def test_equal_keys_are_found_with_the_first_and_the_number_of_their_matches() -> None:
    training, evaluation = (np.asarray(keys, dtype=np.uint64) for keys in ([5, 7, 5, 0, 9], [9, 5, 0, 8, 5]))
    hits = equal_keys(training, evaluation)
    assert hits.evaluation.tolist() == [0, 1, 4]
    assert hits.training.tolist() == [4, 0, 0]
    assert hits.matches.tolist() == [1, 2, 2]
    assert hits.without(equal_keys(training[:1], evaluation)).evaluation.tolist() == [0]


def test_a_text_has_a_key_of_its_own_and_no_text_has_none() -> None:
    keys = keys_of(["clear", "", "Clear", "clear"])
    assert keys[1] == 0
    assert len({*keys.tolist()}) == 3
    assert keys[0] == keys[3]


@pytest.mark.parametrize("seed", range(4))
def test_the_nearest_hashes_are_those_of_all_pairs_however_they_are_shown(seed: int) -> None:
    rng = np.random.default_rng(seed)
    training = rng.integers(256, size=(300, 32)).astype(np.uint8)
    evaluation = rng.integers(256, size=(40, 32)).astype(np.uint8)
    for number in range(20):
        bits = np.unpackbits(training[rng.integers(300)])
        bits[rng.choice(256, size=rng.integers(0, 20), replace=False)] ^= 1
        evaluation[number] = np.packbits(bits)
    pairs = (np.unpackbits(training, axis=1)[:, None] != np.unpackbits(evaluation, axis=1)[None]).sum(axis=2)
    nearest, numbers = Nearest(40, limit=10), 7 * np.arange(300)
    for part in np.split(np.arange(300), [1, 150, 290]):
        compare_hashes(nearest, evaluation, training[part], numbers[part])
    hits = nearest.hits()
    expected = np.flatnonzero(pairs.min(axis=0) <= 10)
    assert 5 <= len(expected) < 20
    assert nearest.distances.tolist() == pairs.min(axis=0).tolist()
    assert hits.evaluation.tolist() == expected.tolist()
    assert hits.training.tolist() == (7 * pairs.argmin(axis=0))[expected].tolist()
    assert hits.matches.tolist() == (pairs <= 10).sum(axis=0)[expected].tolist()


def test_nothing_is_near_where_a_side_is_empty() -> None:
    none = np.zeros((0, 32), dtype=np.uint8)
    some = np.full((2, 32), 255, dtype=np.uint8)
    for ours, theirs in ((none, some), (some, none)):
        nearest = Nearest(len(ours), limit=10)
        compare_hashes(nearest, ours, theirs, np.arange(len(theirs)))
        assert len(nearest.hits()) == 0


def test_a_blank_picture_is_no_copy_of_another() -> None:
    hashes = np.zeros((3, 32), dtype=np.uint8)
    hashes[1, :2] = 255
    hashes[2, :] = 255
    assert usable_hashes(hashes, np.asarray([True, True, False])).tolist() == [False, True, False]


def test_pairs_of_one_patient_are_not_among_those_of_different_patients() -> None:
    angles = np.asarray([0.0, 0.3, 1.0, 2.0])
    values = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = distances_apart(values, np.asarray([4, 9, 4, 9], dtype=np.uint64))
    assert np.allclose(np.sort(found), np.sort(1 - np.cos([0.3, 0.7, 2.0, 1.0])), atol=1e-6)
