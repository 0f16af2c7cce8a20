"""A mean over seeds with an interval for both sources of chance: which seed, and which patients were tested.

Each seed gives the figure on all patients and on resamples of patients, the same resamples for all. With S seeds,

    variance = (variance over seeds) / S + (variance of the mean over the resamples)

and Student's t with the degrees of freedom of Welch and Satterthwaite: where patients are many it is the t interval
over seeds, where seeds agree it is the interval of the patients. What both share (a seed that does well on some
patients) counts twice, so the interval is a little too wide rather than too narrow.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from cxr_clip.evaluate.statistics import LEVEL, Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SeedFigures:
    """A figure of every seed, on all patients and over resamples of them: `resampled` is (seeds, resamples)."""

    values: Floats
    resampled: Floats

    def minus(self, other: "SeedFigures") -> "SeedFigures":
        """The differences, seed by seed and resample by resample: what both share falls out."""
        return SeedFigures(self.values - other.values, self.resampled - other.resampled)


@dataclass(frozen=True)
class SeedMean:
    """A mean over seeds (`estimate.n` of them) and the two-sided p value of its being 0.

    The standard errors from seeds (None with one seed, which cannot tell) and from patients stand apart.
    """

    estimate: Estimate
    p: float
    from_seeds: float | None
    from_patients: float

    def within(self, least: float, most: float) -> "SeedMean":
        """The same with an interval that ends where the figure can be no less, or no more."""
        low, high = max(self.estimate.low, least), min(self.estimate.high, most)
        return replace(self, estimate=replace(self.estimate, low=low, high=high))


def mean_over_seeds(figures: SeedFigures) -> SeedMean:
    """Put the interval around the mean over seeds."""
    seeds = len(figures.values)
    value = float(figures.values.mean())
    of_patients = float(np.nanvar(figures.resampled.mean(axis=0), ddof=1))
    of_seeds = float(figures.values.var(ddof=1)) / seeds if seeds > 1 else None
    variance = of_patients + (of_seeds or 0.0)
    freedom = (seeds - 1) * (variance / of_seeds) ** 2 if of_seeds else math.inf
    error = math.sqrt(variance)
    reach = float(student.ppf((1 + LEVEL) / 2, freedom)) * error
    return SeedMean(
        estimate=Estimate(value, value - reach, value + reach, seeds),
        p=_p(value, error, freedom),
        from_seeds=None if of_seeds is None else math.sqrt(of_seeds),
        from_patients=math.sqrt(of_patients),
    )


def _p(value: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return float(2 * student.sf(abs(value) / error, freedom))
