"""Shares of the training studies for few-shot learning: by patient, nested, with both classes of every finding."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNKNOWN, NEGATIVE, POSITIVE = -1, 0, 1


def draw_subsets(
    patients: Sequence[str], labels: NDArray[np.int8], shares: Sequence[float], *, seed: int
) -> list[NDArray[np.int64]]:
    """Return the rows of each share, ascending: all studies of the first patients of a random order.

    `labels` is (studies, findings) of POSITIVE, NEGATIVE and UNKNOWN. Where the first patients have no positive, or no
    negative, of a finding, the next patient of the order who has one joins them. As the order does not depend on the
    share, or on the order of the studies, a larger share holds every smaller one.
    """
    names = np.unique(np.asarray(patients, dtype=str))
    order = np.random.default_rng(seed).permutation(len(names))
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    place_of_study = place[np.searchsorted(names, np.asarray(patients, dtype=str))]
    first = _first_of_each_class(place_of_study, labels)
    subsets = []
    for share in shares:
        prefix = max(1, round(share * len(names)))
        taken = (place_of_study < prefix) | np.isin(place_of_study, first)
        subsets.append(np.flatnonzero(taken))
    return subsets


def _first_of_each_class(place_of_study: NDArray[np.int64], labels: NDArray[np.int8]) -> NDArray[np.int64]:
    """The places of the first patients of the order that have a positive and a negative of each finding."""
    of_class = (place_of_study[labels[:, finding] == value] for finding in range(labels.shape[1]) for value in (0, 1))
    return np.unique([places.min() for places in of_class if len(places)])
