"""The AUROC of several models on the same studies, with the covariance that DeLong's placement values give.

DeLong et al. 1988, in the fast form by midranks of Sun and Xu 2014; the studies of a patient are taken together as
Obuchowski 1997 does, which is DeLong's covariance where every patient has one study. Ties count half.

Intervals and tests take Student's t with the patients of the smaller class less one as degrees of freedom: with 15
positive patients, normal quantiles cover 93 % in place of 95 % (benchmarks/intervals.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.proportions import wilson
from cxr_clip.evaluate.statistics import LEVEL, Estimate
from cxr_clip.metrics import auroc


@dataclass(frozen=True, eq=False)
class Areas:
    """AUROC of each model and their covariance, over `n` studies; `patients` are those of the smaller class."""

    values: Float[ndarray, "models"]
    covariance: Float[ndarray, "models models"]
    n: int
    patients: int

    @property
    def quantile(self) -> float:
        """How many standard deviations a 95 % interval reaches to each side."""
        from scipy.stats import t

        return float(t.ppf((1 + LEVEL) / 2, self.patients - 1))


@dataclass(frozen=True)
class AreaDifference:
    """The second AUROC minus the first, with the two-sided p value of DeLong's test."""

    difference: Estimate
    p: float


def areas(
    scores: Float[ndarray, "models studies"], labels: Bool[ndarray, "studies"], patients: Sequence[str] | None = None
) -> Areas:
    """Return the areas and their covariance; without `patients` studies count as independent.

    Raises EvaluationError where fewer than two patients have a positive, or a negative, study.
    """
    from scipy.stats import rankdata

    counts = {True: int(labels.sum()), False: int((~labels).sum())}
    whole = rankdata(scores, axis=1)
    # How much of the other class each study stands on the right side of: of a positive below it, of a negative above.
    placements = np.empty(scores.shape)
    for side in (True, False):
        of_side = labels == side
        passed = (whole[:, of_side] - rankdata(scores[:, of_side], axis=1)) / max(1, counts[not side])
        placements[:, of_side] = passed if side else 1 - passed
    values = placements[:, labels].mean(axis=1)
    _, patient = np.unique(np.arange(len(labels)) if patients is None else np.asarray(patients), return_inverse=True)
    centred = placements - values[:, None]
    totals = {side: _by_patient(centred, patient, labels == side) / counts[side] for side in (True, False)}
    having = patients_of_classes(labels, patient)
    if min(having.values()) < 2:
        raise EvaluationError(
            f"DeLong's variance needs two patients of each class: {having[True]} have a positive study, "
            f"{having[False]} a negative one"
        )
    covariance = sum(_small_sample(having[side]) * totals[side] @ totals[side].T for side in (True, False))
    crossed = _small_sample(int(patient.max()) + 1) * totals[True] @ totals[False].T
    return Areas(values, covariance + crossed + crossed.T, n=len(labels), patients=min(having.values()))


def patients_of_classes(labels: Bool[ndarray, "studies"], patients: Sequence[object] | ndarray) -> dict[bool, int]:
    """Return how many patients have a positive study, and how many a negative one."""
    names = np.asarray(patients)
    return {side: len(np.unique(names[labels == side])) for side in (True, False)}


def area_estimate(found: Areas, model: int = 0) -> Estimate:
    """Return one AUROC with its 95 % interval, made on the scale of log odds, so that it stays between 0 and 1.

    An AUROC of exactly 0 or 1 has no variance, and its interval no width.
    """
    value, variance = float(found.values[model]), float(found.covariance[model, model])
    odds = value * (1 - value)
    if odds == 0:
        return Estimate(value=value, low=value, high=value, n=found.n)
    half = found.quantile * np.sqrt(max(0.0, variance)) / odds
    low, high = (1 / (1 + (1 - value) / value * np.exp(sign * half)) for sign in (1, -1))
    return Estimate(value=value, low=float(low), high=float(high), n=found.n)


def area_interval(
    scores: Float[ndarray, "studies"], labels: Bool[ndarray, "studies"], patients: Sequence[str]
) -> Estimate | None:
    """Return the AUROC of one model with its interval by patient.

    An AUROC of exactly 0 or 1 is the share of the smaller class that lies beyond all others, and has Wilson's interval
    on the patients of that class. None where there is no variance to make it of: equal scores, or fewer than two
    patients of a class.
    """
    fewest, value = min(patients_of_classes(labels, patients).values()), auroc(scores, labels)
    if value in (0.0, 1.0):
        low, high = wilson(value, fewest)
        return Estimate(value=value, low=low, high=high, n=len(labels))
    if fewest < 2:
        return None
    found = areas(scores[None], labels, patients)
    return area_estimate(found) if found.covariance[0, 0] > 0 else None


def area_difference(found: Areas, first: int = 0, second: int = 1) -> AreaDifference:
    """Test whether two models have the same AUROC."""
    from scipy.stats import t

    contrast = np.zeros(len(found.values))
    contrast[second], contrast[first] = 1.0, -1.0
    value = float(contrast @ found.values)
    deviation = float(np.sqrt(max(0.0, contrast @ found.covariance @ contrast)))
    half = found.quantile * deviation
    estimate = Estimate(value=value, low=value - half, high=value + half, n=found.n)
    if deviation == 0:
        return AreaDifference(estimate, p=1.0 if value == 0 else 0.0)
    return AreaDifference(estimate, p=float(2 * t.sf(abs(value) / deviation, found.patients - 1)))


def _by_patient(
    values: Float[ndarray, "models studies"], patient: ndarray, of_class: Bool[ndarray, "studies"]
) -> Float[ndarray, "models patients"]:
    """Sum the values of a class over the studies of each patient."""
    rows = [np.bincount(patient, weights=row * of_class, minlength=int(patient.max()) + 1) for row in values]
    return np.stack(rows)


def _small_sample(count: int) -> float:
    return count / (count - 1)
