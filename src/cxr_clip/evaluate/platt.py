"""From scores to probabilities by a straight line in log odds: temperature alone, or with Platt's bias.

Platt 1999: the targets of n positives are (n + 1) / (n + 2) and not 1 (negatives likewise), which keeps the line finite
where scores separate the classes. The covariance of slope and intercept is the sandwich by patient, as studies of one
patient do not tell as much as studies of several.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

Floats = Float[ndarray, "studies"]


@dataclass(frozen=True, eq=False)
class Line:
    """Log odds = slope x score + intercept, with the covariance of (slope, intercept)."""

    slope: float
    intercept: float
    covariance: Float[ndarray, "2 2"]

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probability at each score."""
        from scipy.special import expit

        return np.asarray(expit(self.slope * scores + self.intercept))


def fit_platt(scores: Floats, labels: Bool[ndarray, "studies"], patients: Sequence[str]) -> Line:
    """Fit slope and intercept; both classes must be there."""
    from scipy.optimize import minimize
    from scipy.special import expit

    # Scores differ by hundredths: a line through standard scores is well conditioned, and taken back afterwards.
    centre, spread = float(scores.mean()), float(scores.std()) or 1.0
    design = np.stack([(scores - centre) / spread, np.ones(len(scores))], axis=1)
    targets = smoothed_targets(labels)

    def loss(line: Float[ndarray, "2"]) -> tuple[float, Float[ndarray, "2"]]:
        log_odds = design @ line
        value = np.logaddexp(0, log_odds) - targets * log_odds
        return float(value.sum()), design.T @ (expit(log_odds) - targets)

    prior = np.log(targets.mean() / (1 - targets.mean()))
    found = minimize(loss, np.array([0.0, prior]), jac=True, method="BFGS", options={"gtol": 1e-8 * len(scores)}).x
    back = np.array([[1 / spread, 0.0], [-centre / spread, 1.0]])
    slope, intercept = back @ found
    covariance = back @ _sandwich(design, expit(design @ found), targets, patients) @ back.T
    return Line(slope=float(slope), intercept=float(intercept), covariance=covariance)


def fit_temperature(scores: Floats, labels: Bool[ndarray, "studies"]) -> float:
    """Return T of log odds = score / T, between a thousandth and a thousand times the spread of the scores."""
    from scipy.optimize import minimize_scalar

    targets, spread = smoothed_targets(labels), float(np.sqrt(np.mean(scores**2))) or 1.0

    def loss(log_temperature: float) -> float:
        log_odds = scores / np.exp(log_temperature)
        return float(np.sum(np.logaddexp(0, log_odds) - targets * log_odds))

    bounds = (np.log(spread / 1000), np.log(spread * 1000))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def smoothed_targets(labels: Bool[ndarray, "studies"]) -> Floats:
    """Return Platt's targets: a little inside 0 and 1, the less the more studies of the class there are."""
    positives = int(labels.sum())
    return np.where(labels, (positives + 1) / (positives + 2), 1 / (len(labels) - positives + 2))


def _sandwich(
    design: Float[ndarray, "studies 2"], probabilities: Floats, targets: Floats, patients: Sequence[str]
) -> Float[ndarray, "2 2"]:
    """Return the covariance of the line from the spread of what the patients say of it."""
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    says = design * (targets - probabilities)[:, None]
    by_patient = np.stack([np.bincount(patient, weights=column) for column in says.T], axis=1)
    curvature = np.linalg.pinv(design.T @ (design * (probabilities * (1 - probabilities))[:, None]))
    count = len(by_patient)
    covariance: Float[ndarray, "2 2"] = curvature @ (by_patient.T @ by_patient) @ curvature * count / max(1, count - 1)
    return covariance
