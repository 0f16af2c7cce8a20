"""The nearest training item of each evaluated one, block by block, in memory that the training does not move."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cxr_clip.overlap.hits import Hits

Advance = Callable[[int, int], None]


def after(advance: Advance | None, before: int, total: int) -> Advance | None:
    """Tell of a later part of the same work: `before` of `total` are done."""
    return None if advance is None else lambda done, _: advance(before + done, total)


class Nearest:
    """The nearest of all training items shown so far; within `limit` they count as copies."""

    def __init__(self, count: int, *, limit: float) -> None:
        self.limit = limit
        self.distances = np.full(count, np.inf)
        self._nearest = np.full(count, -1, dtype=np.int64)
        self._matches = np.zeros(count, dtype=np.int64)

    def show(self, distances: NDArray[np.floating] | NDArray[np.integer], numbers: NDArray[np.int64]) -> None:
        """Take the distances (training, evaluation) from training items that have these numbers."""
        if not distances.size:
            return
        place = distances.argmin(axis=0)
        smallest = distances[place, np.arange(distances.shape[1])]
        nearer = smallest < self.distances
        self._nearest[nearer], self.distances[nearer] = numbers[place[nearer]], smallest[nearer]
        if smallest.min() <= self.limit:
            self._matches += (distances <= self.limit).sum(axis=0)

    def hits(self, limit: float | None = None) -> Hits:
        """The evaluated items that have a training item within the limit, or within another; one match at least."""
        found = np.flatnonzero(self.distances <= (self.limit if limit is None else limit))
        return Hits(found, self._nearest[found], self.distances[found], np.maximum(self._matches[found], 1))
