"""Images that are there twice: the same bytes, or nearly the same picture; vectorised over all pairs that may match."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_clip.data.scan import HASH_BYTES

# Measured on 300 pictures of Open-I at a short side of 256: of copies compressed anew all differ in up to 7 of 256 bits
# at JPEG quality 50 to 90 and 98 % at 30; of those scaled anew 91 % at half the size, 79 % at 0.7 and 62 % at 0.9. No
# two of the 300 differ in less than 23. Nearly equal exposures, such as those of one patient in one minute, may come
# out as copies, and copies that were cropped or turned do not.
MAX_BITS = 7
_BANDS = MAX_BITS + 1
_SHUFFLE = np.random.default_rng(0).permutation(8 * HASH_BYTES)


@dataclass(frozen=True)
class Groups:
    """Sets of equal images: `members` are image numbers, group by group; `starts` says where each group begins."""

    members: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return iter(np.split(self.members, self.starts[1:])) if len(self.starts) else iter(())


def same_bytes(digests: NDArray[np.uint64], usable: NDArray[np.bool_]) -> Groups:
    """Groups of usable images whose files are equal, byte for byte."""
    numbers = np.flatnonzero(usable)
    _, labels = np.unique(digests[numbers], return_inverse=True)
    return _groups(numbers, labels)


def same_picture(hashes: NDArray[np.uint8], usable: NDArray[np.bool_]) -> Groups:
    """Groups of usable images whose hashes differ in at most MAX_BITS bits, directly or through others of the group.

    No such pair is missed: the bits, shuffled, make MAX_BITS + 1 bands, and two hashes that differ in MAX_BITS bits
    agree in one band at least. Only images that agree in a band are compared.
    """
    numbers = np.flatnonzero(usable)
    if not len(numbers):
        return _groups(numbers, numbers)
    different, labels = np.unique(hashes[numbers], axis=0, return_inverse=True)
    roots = np.arange(len(different))
    for first, second in _near(different):
        _join(roots, first, second)
    return _groups(numbers, _flattened(roots)[labels.ravel()])


def _near(hashes: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Pairs of hashes that differ in at most MAX_BITS bits; a pair may come more than once."""
    words = np.ascontiguousarray(hashes).view(np.uint64)
    shuffled = np.packbits(np.unpackbits(hashes, axis=1)[:, _SHUFFLE], axis=1)
    for band in np.split(shuffled, _BANDS, axis=1):
        keys = np.ascontiguousarray(band).view(np.uint32).ravel()
        order = np.argsort(keys, kind="stable")
        for first, second in _pairs_of_equal(keys[order]):
            one, other = order[first], order[second]
            bits = np.bitwise_count(words[one] ^ words[other]).sum(axis=1, dtype=np.int64)
            yield from zip(one[bits <= MAX_BITS].tolist(), other[bits <= MAX_BITS].tolist(), strict=True)


def _pairs_of_equal(keys: NDArray[np.uint32]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of equal keys in a sorted array: neighbours first, then those two apart, until none are left."""
    places = np.arange(len(keys))
    step = 1
    while len(places):
        places = places[places + step < len(keys)]
        places = places[keys[places] == keys[places + step]]
        yield places, places + step
        step += 1


def _join(roots: NDArray[np.int64], first: int, second: int) -> None:
    one, other = _root(roots, first), _root(roots, second)
    roots[max(one, other)] = min(one, other)


def _root(roots: NDArray[np.int64], place: int) -> int:
    while roots[place] != place:
        roots[place] = roots[roots[place]]
        place = int(roots[place])
    return place


def _flattened(roots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each place's root; each round halves the way to it."""
    while not np.array_equal(roots, roots[roots]):
        roots = roots[roots]
    return roots


def _groups(numbers: NDArray[np.int64], labels: NDArray[np.int64]) -> Groups:
    """The groups of at least two numbers that have the same label."""
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    kept = counts > 1
    members = numbers[order][np.repeat(kept, counts)]
    return Groups(
        members, np.concatenate([[0], np.cumsum(counts[kept])[:-1]]).astype(np.int64) if kept.any() else starts[:0]
    )
