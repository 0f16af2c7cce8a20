"""The nearest training picture of each evaluated one by perceptual hash: all pairs, a block at a time."""

import numpy as np
from numpy.typing import NDArray

from cxr_clip.overlap.nearest import Advance, Nearest
from cxr_clip.overlap.threshold import choose_threshold

# Of 19 million pairs of images of different patients in Open-I none differs in fewer than 17 of 256 bits; of copies
# compressed or scaled anew 99 % differ in up to 7, of copies made 25 grey levels brighter 96 % in up to 12. Where the
# pictures of a data set are more alike than that, fewer bits count (`choose_bits`).
NEAR_BITS = 10
# A picture without structure (black, white) has hardly a bit set, and is no copy of any other.
_BITS_OF_A_PICTURE = 16
_AT_A_TIME = 128


def usable_hashes(hashes: NDArray[np.uint8], readable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether an image could be read and shows something."""
    bits: NDArray[np.int64] = np.bitwise_count(hashes).sum(axis=1, dtype=np.int64)
    return readable & (bits >= _BITS_OF_A_PICTURE)


def choose_bits(apart: NDArray[np.integer], *, comparisons: int) -> tuple[int, str]:
    """How many bits a copy may differ in, and why in words, from the distances of pairs of different patients."""
    chosen = choose_threshold(apart, comparisons=comparisons)
    if chosen is None:
        return NEAR_BITS, f"Hashes that differ in at most {NEAR_BITS} of 256 bits count as near."
    bits = min(NEAR_BITS, int(chosen.distance))
    why = chosen.in_words(f"{chosen.closest:.0f} bits")
    least = f"At most {NEAR_BITS} whatever the pairs say. " if bits == NEAR_BITS else ""
    return bits, f"Hashes that differ in at most {bits} of 256 bits count as near. {least}{why}"


def bits_apart(hashes: NDArray[np.uint8], patients: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """In how many bits the pairs of hashes of different patients differ, each pair once."""
    words = np.ascontiguousarray(hashes).view(np.uint64)
    parts = [
        hamming(words[first : first + 1], words[first + 1 :])[0][patients[first + 1 :] != patients[first]]
        for first in range(len(words) - 1)
    ]
    return np.concatenate([np.zeros(0, dtype=np.uint16), *parts])


def compare_hashes(
    nearest: Nearest,
    evaluation: NDArray[np.uint8],
    training: NDArray[np.uint8],
    numbers: NDArray[np.int64],
    *,
    advance: Advance | None = None,
) -> None:
    """Compare all evaluated hashes with training hashes whose images have these numbers; `advance` counts the latter.

    Memory does not grow with the number of training hashes.
    """
    ours, words = (np.ascontiguousarray(hashes).view(np.uint64) for hashes in (evaluation, training))
    for first in range(0, len(words), _AT_A_TIME):
        nearest.show(hamming(words[first : first + _AT_A_TIME], ours), numbers[first : first + _AT_A_TIME])
        if advance is not None:
            advance(min(first + _AT_A_TIME, len(words)), len(words))


def hamming(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """In how many bits each of (n, words) differs from each of (m, words), as (n, m)."""
    total = np.zeros((len(one), len(other)), dtype=np.uint16)
    differing = np.empty(total.shape, dtype=np.uint64)
    counts = np.empty(total.shape, dtype=np.uint8)
    for word in range(one.shape[1]):
        np.bitwise_xor(one[:, word, None], other[None, :, word], out=differing)
        total += np.bitwise_count(differing, out=counts)
    return total
