"""Estimates with intervals: percentile bootstrap over patients, because studies of one patient are not independent."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import EvaluationError

LEVEL = 0.95
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval and the number of things it was measured on; exact figures have no width."""

    value: float
    low: float
    high: float
    n: int


def exact(value: float, n: int) -> Estimate:
    """Return a figure that is known and not measured, such as what chance gives."""
    return Estimate(value=value, low=value, high=value, n=n)


def patient_bootstrap_weights(patients: Sequence[str], resamples: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Draw patients with replacement; entry [r, i] says how often study i is in resample r.

    `patients` names the patient of each study. All studies of a patient are drawn together (cluster bootstrap).
    """
    _, patient_of_study = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    count = int(patient_of_study.max(initial=-1)) + 1
    weights = np.empty((resamples, len(patients)), dtype=np.uint16)
    for row in weights:
        drawn = np.bincount(rng.integers(0, count, count), minlength=count)
        row[:] = drawn[patient_of_study]
    return weights


def estimate(value: float, resampled: NDArray[np.float64], n: int) -> Estimate:
    """Put the percentile interval of the resampled values around `value`; NaN marks a resample that has no value.

    Raises EvaluationError where no resample has one.
    """
    usable = resampled[np.isfinite(resampled)]
    if usable.size == 0:
        raise EvaluationError(
            f"none of {resampled.size} bootstrap resamples holds both classes: use more resamples, or more patients"
        )
    low, high = np.quantile(usable, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=value, low=float(low), high=float(high), n=n)


def left_out(resampled: NDArray[np.float64]) -> int:
    """Count the resamples that have no value, because a class was not drawn at all."""
    return int(np.count_nonzero(~np.isfinite(resampled)))


def macro_estimate(values: Sequence[float], resampled: Sequence[NDArray[np.float64]]) -> Estimate:
    """Average several figures over the same resamples, which keeps their dependence; n is the number of figures.

    A resample in which any of the figures has no value is left out.
    """
    return estimate(float(np.mean(values)), np.mean(np.stack(resampled), axis=0), len(values))


def mean_estimate(figures: Sequence[Estimate], resampled: Sequence[NDArray[np.float64]]) -> Estimate:
    """Average figures that have intervals of their own; the mean of one is that one, however its interval was made."""
    if len(figures) == 1:
        return replace(figures[0], n=1)
    return macro_estimate([one.value for one in figures], resampled)


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the mean of each resample; NaN where nothing was drawn."""
    return np.asarray([row @ values / total if (total := row.sum()) else np.nan for row in weights])


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the median of each resample: the smallest value that at least half of what was drawn does not exceed."""
    order = np.argsort(values, kind="stable")
    ascending, medians = values[order], np.full(len(weights), np.nan)
    for index, row in enumerate(weights):
        passed = np.cumsum(row[order], dtype=np.int64)
        if passed[-1]:
            medians[index] = ascending[np.searchsorted(2 * passed, passed[-1])]
    return medians
