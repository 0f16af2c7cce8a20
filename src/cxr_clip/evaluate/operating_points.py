"""Thresholds chosen on validation scores, and what they do to other scores.

A threshold that is chosen on the scores it is measured on looks better than it is: `choose_thresholds` is for the
validation split alone, `measure_threshold` for another one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from cxr_clip.calibration import Threshold
from cxr_clip.evaluate.proportions import share
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.metrics import roc_curve


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold from validation with what it does here; rates are absent where their class is."""

    rule: str
    threshold: Threshold
    sensitivity: Estimate | None
    specificity: Estimate | None


# Sensitivity and specificity at every threshold, highest first, and the share of positives, to the place to take.
Rates = Float[ndarray, "thresholds"]
Rule = Callable[[Rates, Rates, float], int]


def choose_thresholds(scores: Float[ndarray, "studies"], labels: Bool[ndarray, "studies"]) -> Mapping[str, Threshold]:
    """Choose a threshold by each rule; scores from it on count as positive. Both classes must be there.

    "specificity_95" is the threshold of the highest sensitivity among those of at least 95 % specificity, and so on;
    "youden" has the largest sum of both, "f1" the largest F1. Of equal ones the highest is taken.
    """
    curve = roc_curve(scores, labels)
    sensitivity, specificity = curve.true_positive_rate, 1 - curve.false_positive_rate
    places = {name: rule(sensitivity, specificity, float(np.mean(labels))) for name, rule in RULES.items()}
    return {
        name: Threshold(float(curve.thresholds[one]), float(sensitivity[one]), float(specificity[one]))
        for name, one in places.items()
    }


def measure_threshold(rule: str, threshold: Threshold, scores: FindingScores) -> OperatingPoint:
    """Apply a threshold to scores that it was not chosen on, with intervals by patient."""
    said, patients = scores.scores >= threshold.score, np.asarray(scores.patients)
    positive, negative = scores.labels, ~scores.labels
    return OperatingPoint(
        rule=rule,
        threshold=threshold,
        sensitivity=share(said[positive], patients[positive]) if positive.any() else None,
        specificity=share(~said[negative], patients[negative]) if negative.any() else None,
    )


def _youden(sensitivity: Rates, specificity: Rates, _share: float) -> int:
    return int(np.argmax(sensitivity + specificity))


def _f1(sensitivity: Rates, specificity: Rates, share: float) -> int:
    """Twice what is said and true, over what is said and what is true; all in shares of the studies."""
    said = sensitivity * share + (1 - specificity) * (1 - share)
    return int(np.argmax(2 * sensitivity * share / (said + share)))


def _specificity(least: float) -> Rule:
    """The rule of the highest sensitivity at a specificity of at least `least`."""
    return lambda sensitivity, specificity, _: int(np.argmax(np.where(specificity >= least, sensitivity, -1.0)))


def _sensitivity(least: float) -> Rule:
    """The rule of the highest specificity at a sensitivity of at least `least`."""
    return lambda sensitivity, specificity, _: int(np.argmax(np.where(sensitivity >= least, specificity, -1.0)))


RULES: Mapping[str, Rule] = {
    "youden": _youden,
    "f1": _f1,
    "specificity_90": _specificity(0.9),
    "specificity_95": _specificity(0.95),
    "sensitivity_90": _sensitivity(0.9),
    "sensitivity_95": _sensitivity(0.95),
}
