"""A figure of two models and the difference between them, over resamples that both share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate.statistics import Estimate, estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """One figure of both models and the second minus the first, with the two-sided p value of no difference.

    `adjusted` is p with the other findings in mind, absent for the macro average, which is one question and not many;
    `delong` is the p value of DeLong's test by patient, for AUROC.
    """

    benchmark: str
    figure: str
    first: Estimate
    second: Estimate
    difference: Estimate
    p: float
    adjusted: float | None = None
    delong: float | None = None


@dataclass(frozen=True, eq=False)
class ResampledPair:
    """A figure of both models, alone and over the resamples."""

    values: tuple[float, float]
    first: Floats
    second: Floats
    n: int


def difference_of(benchmark: str, figure: str, found: ResampledPair) -> Difference:
    """Put intervals around both figures and their difference, with its p value."""
    resampled = found.second - found.first
    return Difference(
        benchmark=benchmark,
        figure=figure,
        first=estimate(found.values[0], found.first, found.n),
        second=estimate(found.values[1], found.second, found.n),
        difference=estimate(found.values[1] - found.values[0], resampled, found.n),
        p=two_sided_p(resampled),
    )


def two_sided_p(resampled: Floats) -> float:
    """Return at which level the percentile interval of the resampled differences just touches 0.

    The observed sample counts as one resample more, so p is never 0: with R resamples it is 2 / (R + 1) at least.
    """
    usable = resampled[np.isfinite(resampled)]
    tails = 1 + np.array([np.count_nonzero(usable <= 0), np.count_nonzero(usable >= 0)])
    return float(min(1.0, 2 * tails.min() / (len(usable) + 1)))
