"""What a calibration does on studies that it was not fitted on: operating points, probabilities, prediction sets."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from cxr_clip.calibration import Answer, FindingCalibration
from cxr_clip.evaluate.operating_points import OperatingPoint, measure_threshold
from cxr_clip.evaluate.proportions import share
from cxr_clip.evaluate.reliability import (
    ReliabilityBin,
    brier,
    calibration_error,
    equal_mass,
    equal_width,
    reliability,
)
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.statistics import Estimate

Scores = Float[ndarray, "studies"]


@dataclass(frozen=True)
class Fit:
    """How well one kind of probability holds: Brier score and expected calibration errors, 0 is perfect."""

    brier: float
    error_equal_mass: float
    error_equal_width: float


@dataclass(frozen=True)
class PredictionSets:
    """How often the set of a positive, or a negative, study keeps its true answer, and how often it holds both."""

    level: float
    positive_kept: Estimate
    negative_kept: Estimate
    undecided: Estimate


@dataclass(frozen=True)
class CalibratedFinding:
    """One finding; `fits` are those of the model's own scale, of a temperature, and of temperature and bias."""

    finding: str
    n: int
    positives: int
    points: tuple[OperatingPoint, ...]
    fits: Mapping[str, Fit]
    bins: tuple[ReliabilityBin, ...]
    sets: PredictionSets


@dataclass(frozen=True)
class CalibratedResult:
    """A benchmark seen through its calibration; `together` are figures over all findings (`together.py`)."""

    benchmark: str
    protocol: tuple[str, ...]
    findings: tuple[CalibratedFinding, ...]
    together: Mapping[str, Estimate]


def measure_calibrated(
    scores: FindingScores, calibration: FindingCalibration, *, scale: float
) -> CalibratedFinding | None:
    """Measure one finding; absent where one of its classes is. `scale` is the model's own, 1/temperature."""
    labels = scores.labels
    if not labels.any() or labels.all():
        return None
    log_odds = {
        "own scale": scale * scores.scores,
        "temperature": scores.scores / calibration.temperature,
        "temperature and bias": calibration.slope * scores.scores + calibration.intercept,
    }
    probabilities = {name: _logistic(values) for name, values in log_odds.items()}
    fitted = probabilities["temperature and bias"]
    return CalibratedFinding(
        finding=scores.finding,
        n=len(labels),
        positives=int(labels.sum()),
        points=tuple(measure_threshold(rule, one, scores) for rule, one in calibration.thresholds.items()),
        fits={name: _fit(values, labels) for name, values in probabilities.items()},
        bins=reliability(fitted, labels, equal_mass(fitted), scores.patients),
        sets=_sets(scores, calibration),
    )


def _fit(probabilities: Scores, labels: Bool[ndarray, "studies"]) -> Fit:
    return Fit(
        brier=brier(probabilities, labels),
        error_equal_mass=calibration_error(probabilities, labels, equal_mass(probabilities)),
        error_equal_width=calibration_error(probabilities, labels, equal_width(probabilities)),
    )


def _sets(scores: FindingScores, calibration: FindingCalibration) -> PredictionSets:
    answers = np.asarray([calibration.prediction.answer(float(score)) for score in scores.scores])
    labels, patients = scores.labels, np.asarray(scores.patients)
    kept = np.where(labels, answers == Answer.POSITIVE, answers == Answer.NEGATIVE) | (answers == Answer.UNDECIDED)
    return PredictionSets(
        level=calibration.prediction.level,
        positive_kept=share(kept[labels], patients[labels]),
        negative_kept=share(kept[~labels], patients[~labels]),
        undecided=share(answers == Answer.UNDECIDED, patients),
    )


def _logistic(log_odds: Scores) -> Scores:
    from scipy.special import expit

    return np.asarray(expit(log_odds))
