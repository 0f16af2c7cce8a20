"""The recall of a group with draws that stray enough where almost nothing, or almost everything, was found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

from cxr_clip.evaluate.proportions import share
from cxr_clip.evaluate.statistics import NORMAL_95, Estimate, weighted_mean


@dataclass(frozen=True, eq=False)
class Recall:
    """A recall with Wilson's interval by patient, and its draws: entry 0 is of all queries, the others of resamples."""

    estimate: Estimate
    draws: Float[ndarray, "draws"]


def recall_of(
    hits: Bool[ndarray, "queries"],
    patients: Sequence[str],
    weights: Shaped[ndarray, "draws queries"],
    rng: np.random.Generator,
) -> Recall:
    """Measure the share of queries that were found; row 0 of `weights` is all of them once.

    Resamples of a group in which nothing was found find nothing either. Where they stray less than Wilson's interval
    is wide to its wider side, normal noise makes up the rest, so that a difference from this group is not too sure.
    """
    estimate = share(hits, patients)
    draws = weighted_mean(hits.astype(np.float64), weights)
    wanted = max(estimate.high - estimate.value, estimate.value - estimate.low) / NORMAL_95
    missing = np.sqrt(max(0.0, wanted**2 - float(np.nanvar(draws[1:]))))
    draws[1:] += rng.normal(0, missing, len(draws) - 1)
    return Recall(estimate, draws)
