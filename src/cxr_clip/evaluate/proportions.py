"""A share of studies with an interval that knows of patients and holds at 0 and at 1.

Wilson's interval on the effective number of studies: the number divided by the design effect, which is how much wider
the spread over patients is than that of independent studies.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray
from numpy.typing import NDArray

from cxr_clip.evaluate.statistics import NORMAL_95, Estimate, estimate


def share(hits: Bool[ndarray, "studies"], patients: Sequence[str] | Shaped[ndarray, "studies"]) -> Estimate:
    """Return the share of hits with its 95 % interval; there must be a study.

    At 0 and at 1 the spread is not to be seen, and patients, not studies, are counted.
    """
    assert len(hits), "a share of no studies"
    value = float(np.mean(hits))
    low, high = wilson(value, effective_number(hits, patients))
    return Estimate(value=value, low=low, high=high, n=len(hits))


def resampled_share(
    value: float, resampled: Float[ndarray, "resamples"], weights: NDArray[np.uint16], n: int
) -> Estimate:
    """Return a share with the percentile interval of its resamples; at 0 and at 1, where all agree, with Wilson's.

    `weights` is (resamples, studies) of the studies it is of. Wilson's counts patients: the studies of one patient are
    drawn together, so that their columns are equal.
    """
    if value not in (0.0, 1.0):
        return estimate(value, resampled, n)
    low, high = wilson(value, np.unique(weights, axis=1).shape[1])
    return Estimate(value=value, low=low, high=high, n=n)


def effective_number(hits: Bool[ndarray, "studies"], patients: Sequence[str] | Shaped[ndarray, "studies"]) -> float:
    """Return how many independent studies would say as much: never more than there are studies."""
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    count, n, value = int(patient.max()) + 1, len(hits), float(np.mean(hits))
    if value in (0.0, 1.0) or count == 1:
        return float(count)
    residuals = np.bincount(patient, weights=hits - value)
    by_patient, by_study = count / (count - 1) * float(residuals @ residuals), n / (n - 1) * n * value * (1 - value)
    return n / max(1.0, by_patient / by_study)


def wilson(value: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share among `n`, which need not be whole."""
    squared = NORMAL_95**2
    centre = (value + squared / (2 * n)) / (1 + squared / n)
    half = NORMAL_95 * np.sqrt(value * (1 - value) / n + squared / (4 * n * n)) / (1 + squared / n)
    # At 0 and at 1 one end is the share itself, and rounding must not leave it outside.
    return max(0.0, min(value, float(centre - half))), min(1.0, max(value, float(centre + half)))
