"""How often a study is drawn in an epoch where rare findings are to be seen more: by its rarest positive finding.

The weight of a study is the share of studies that have its rarest positive finding, to the power of minus `exponent`:
0.5 is the square root of the inverse frequency, 1 the inverse. Studies without any positive finding are a group with a
share of its own.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int
from numpy import ndarray

from cxr_clip.data.columns import entries
from cxr_clip.errors import TrainingError
from cxr_clip.study import Certainty

Draws = Float[ndarray, "studies"]


def draws_of_studies(tables: Sequence[pa.Table], *, exponent: float, most: int, batch_size: int) -> Draws:
    """How often each study of the manifests' tables is drawn in an epoch on average, `most` times at the most.

    A study comes in half of an epoch's batches at most, so that it does not meet itself in one. Raises TrainingError
    where every study would be drawn as often as any other.
    """
    shares = rarest_shares(tables)
    if shares.min() == shares.max():
        raise TrainingError(
            "data.rare_sampling has no effect: no training study of data.sources has a positive finding that others "
            "lack; leave it out, or prepare the studies with labels"
        )
    possible = min(most, len(shares) // batch_size // 2)
    if possible < 2:
        raise TrainingError(
            f"data.rare_sampling has no effect: {len(shares)} training studies fill fewer than four batches of "
            f"{batch_size}, and none is drawn twice; set a smaller train.batch_size, or leave it out"
        )
    return draws_of_an_epoch(shares, exponent=exponent, most=possible)


def rarest_shares(tables: Sequence[pa.Table]) -> Float[ndarray, "studies"]:
    """For each study of the manifests' tables, one after the other: the share of studies with its rarest finding."""
    rows, names, start = [], [], 0
    for table in tables:
        row, finding, certainty = entries(table, "findings")
        positive = np.asarray(pc.equal(certainty, Certainty.POSITIVE.value).to_numpy(zero_copy_only=False), dtype=bool)
        rows.append(row[positive] + start)
        names += finding.to_numpy(zero_copy_only=False)[positive].tolist()
        start += len(table)
    at = np.concatenate(rows)
    shares = np.full(start, np.inf)
    if len(names):
        _, number, counts = np.unique(np.asarray(names), return_inverse=True, return_counts=True)
        np.minimum.at(shares, at, counts[number] / start)
    without = np.isinf(shares)
    return np.where(without, without.mean(), shares)


def draws_of_an_epoch(shares: Float[ndarray, "studies"], *, exponent: float, most: int) -> Draws:
    """How often each study is drawn on average; `most` at the most, as many draws in all as there are studies."""
    weights = shares**-exponent
    capped = np.zeros(len(weights), dtype=bool)
    while True:
        free = len(weights) - most * np.count_nonzero(capped)
        draws = np.where(capped, float(most), weights * free / weights[~capped].sum())
        beyond = (draws > most) & ~capped
        if not beyond.any():
            return draws
        capped |= beyond


def drawn_epoch(draws: Draws, rng: np.random.Generator) -> tuple[Int[ndarray, "studies"], Int[ndarray, "studies"]]:
    """The studies of one epoch in their order, and which time each of them comes: 0 the first time, 1 the second.

    Every study comes as often as `draws` says, rounded up or down at random. Times of one study lie evenly apart, so
    that none is twice in a batch where it comes seldom enough.
    """
    count = len(draws)
    order = rng.permutation(count)
    reached = np.cumsum(draws[order])
    reached[-1] = count
    times = np.diff(np.floor(reached + rng.random()).astype(np.int64), prepend=0).astype(np.int64)
    studies = np.repeat(order, times)
    copies = np.arange(len(studies)) - np.repeat(np.cumsum(times) - times, times)
    places = (copies + np.repeat(rng.random(count), times)) / np.repeat(times, times)
    by_place = np.argsort(places, kind="stable")
    return studies[by_place], copies[by_place]
