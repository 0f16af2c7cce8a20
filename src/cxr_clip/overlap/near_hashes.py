"""The nearest training picture of each evaluated one by perceptual hash: all pairs, a block at a time."""

import numpy as np
from numpy.typing import NDArray

from cxr_clip.overlap.nearest import Advance, Nearest

# Of 19 million pairs of images of different patients in Open-I none differs in fewer than 17 of 256 bits; of copies
# compressed or scaled anew 99 % differ in up to 7, of copies made 25 grey levels brighter 96 % in up to 12.
NEAR_BITS = 10
# A picture without structure (black, white) has hardly a bit set, and is no copy of any other.
_BITS_OF_A_PICTURE = 16
_AT_A_TIME = 128


def usable_hashes(hashes: NDArray[np.uint8], readable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether an image could be read and shows something."""
    bits: NDArray[np.int64] = np.bitwise_count(hashes).sum(axis=1, dtype=np.int64)
    return readable & (bits >= _BITS_OF_A_PICTURE)


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
