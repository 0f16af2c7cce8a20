"""Retrieval of two models compared: recalls over the same queries in the same pool of targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate.differences import Difference, ResampledPair, difference_of
from cxr_clip.evaluate.query_ranks import QueryRanks
from cxr_clip.evaluate.retrieval import RECALLS
from cxr_clip.evaluate.statistics import weighted_mean


@dataclass(frozen=True, eq=False)
class PairedRanks:
    """Two ranks of each query of one benchmark and direction."""

    benchmark: str
    direction: str
    studies: tuple[str, ...]
    patients: tuple[str, ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]


@dataclass(frozen=True)
class PairedQueries:
    """The directions that can be compared, and why others cannot."""

    pairs: tuple[PairedRanks, ...]
    notes: tuple[str, ...]


def pair_ranks(first: Sequence[QueryRanks], second: Sequence[QueryRanks]) -> PairedQueries:
    """Pair every direction that both evaluations have with the same queries; a rank in another pool is no match."""
    others = {(one.benchmark, one.direction): one for one in second}
    pairs: list[PairedRanks] = []
    notes: list[str] = []
    for one in first:
        other = others.get((one.benchmark, one.direction))
        if other is None:
            continue
        place = {key: index for index, key in enumerate(zip(other.studies, other.patients, strict=True))}
        keys = list(zip(one.studies, one.patients, strict=True))
        if one.pool != other.pool or place.keys() != set(keys):
            notes.append(f"{one.benchmark}, {one.direction}: not compared, as queries or pool are not the same.")
            continue
        ranks = other.ranks[[place[key] for key in keys]]
        pairs.append(PairedRanks(one.benchmark, one.direction, one.studies, one.patients, one.ranks, ranks))
    return PairedQueries(tuple(pairs), tuple(notes))


def recall_differences(pair: PairedRanks, weights: NDArray[np.uint16]) -> list[Difference]:
    """Compare R@1, R@5 and R@10 of one direction; `weights` is (resamples, queries)."""
    return [
        difference_of(pair.benchmark, f"{pair.direction}/recall_at_{k}", _recall(pair, weights, k)) for k in RECALLS
    ]


def _recall(pair: PairedRanks, weights: NDArray[np.uint16], k: int) -> ResampledPair:
    first, second = ((ranks <= k).astype(np.float64) for ranks in (pair.first, pair.second))
    return ResampledPair(
        values=(float(first.mean()), float(second.mean())),
        first=weighted_mean(first, weights),
        second=weighted_mean(second, weights),
        n=len(first),
    )
