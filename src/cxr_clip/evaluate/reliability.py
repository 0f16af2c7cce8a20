"""How well probabilities hold: Brier score, expected calibration error, and the shares behind a reliability plot."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from cxr_clip.evaluate.proportions import share
from cxr_clip.evaluate.statistics import Estimate

BINS = 10


@dataclass(frozen=True)
class ReliabilityBin:
    """Studies of like probability: their mean probability, and the share of them that has the finding."""

    probability: float
    observed: Estimate


def brier(probabilities: Float[ndarray, "studies"], labels: Bool[ndarray, "studies"]) -> float:
    """Return the mean squared distance of probability and truth; 0 is perfect."""
    return float(np.mean((probabilities - labels) ** 2))


def calibration_error(
    probabilities: Float[ndarray, "studies"], labels: Bool[ndarray, "studies"], bins: Int[ndarray, "studies"]
) -> float:
    """Return the expected calibration error: |mean probability - share|, averaged over bins by their studies."""
    gaps = np.bincount(bins, weights=probabilities - labels)
    return float(np.abs(gaps).sum() / len(labels))


def equal_width(probabilities: Float[ndarray, "studies"], bins: int = BINS) -> Int[ndarray, "studies"]:
    """Return the bin of each probability among bins of equal width; 1 belongs to the last."""
    return np.minimum((probabilities * bins).astype(np.int64), bins - 1)


def equal_mass(probabilities: Float[ndarray, "studies"], bins: int = BINS) -> Int[ndarray, "studies"]:
    """Return the bin of each probability among bins of about as many studies each; equal ones share a bin."""
    places = np.searchsorted(np.sort(probabilities), probabilities, side="left")
    return places * bins // len(probabilities)


def reliability(
    probabilities: Float[ndarray, "studies"],
    labels: Bool[ndarray, "studies"],
    bins: Int[ndarray, "studies"],
    patients: Sequence[str],
) -> tuple[ReliabilityBin, ...]:
    """Return the bins that hold a study, in order, with intervals by patient."""
    names = np.asarray(patients)
    return tuple(
        ReliabilityBin(float(probabilities[bins == one].mean()), share(labels[bins == one], names[bins == one]))
        for one in np.unique(bins)
    )
