"""What of one collection is found in another: the record that all comparisons give, and the plainest of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Hits:
    """The items of the evaluation that are found in the training, in their order.

    `training` is the nearest training item of each (the first of several), `distance` how far away it is, `matches`
    how many training items are near enough.
    """

    evaluation: NDArray[np.int64]
    training: NDArray[np.int64]
    distance: NDArray[np.float64]
    matches: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.evaluation)

    def without(self, other: "Hits") -> "Hits":
        """The hits of items that the other ones do not have."""
        return self.where(~np.isin(self.evaluation, other.evaluation))

    def where(self, kept: NDArray[np.bool_]) -> "Hits":
        """Some of the hits."""
        return Hits(self.evaluation[kept], self.training[kept], self.distance[kept], self.matches[kept])


NO_HITS = Hits(*(np.zeros(0, dtype=np.int64),) * 2, np.zeros(0, dtype=np.float64), np.zeros(0, dtype=np.int64))


def equal_keys(training: NDArray[np.uint64], evaluation: NDArray[np.uint64]) -> Hits:
    """The items whose key is among the training's; a key of 0 stands for an item without one and equals none."""
    order = np.argsort(training, kind="stable")
    ordered = training[order]
    left, right = (np.searchsorted(ordered, evaluation, side=side) for side in ("left", "right"))
    found = np.flatnonzero((right > left) & (evaluation != 0))
    return Hits(found, order[left[found]], np.zeros(len(found)), (right - left)[found].astype(np.int64))


def keys_of(texts: Iterable[str]) -> NDArray[np.uint64]:
    """A 64-bit key of each text; an empty one has the key 0."""
    return np.fromiter((_key(text) for text in texts), dtype=np.uint64)


def _key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") if text else 0
