"""Split-conformal prediction sets of a finding that is there or not, each class by itself (Vovk 2012).

Among n studies of a class and one more like them, the score of the new one is equally likely to come at any of n + 1
places. So a bound that leaves out the floor(alpha x (n + 1)) - 1 most unlike ones keeps the true answer in at least
1 - alpha of cases, whatever the model and whatever the prevalence.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from cxr_clip.calibration import PredictionBounds

LEVEL = 0.9


def prediction_bounds(
    scores: Float[ndarray, "studies"], labels: Bool[ndarray, "studies"], *, level: float = LEVEL
) -> PredictionBounds:
    """Return from which score on "positive", and up to which score "negative", is in the set."""
    lowest, highest = _bound(scores[labels], level), _bound(-scores[~labels], level)
    return PredictionBounds(level=level, positive_from=lowest, negative_to=None if highest is None else -highest)


def _bound(scores: Float[ndarray, "of_class"], level: float) -> float | None:
    """Return the k-th smallest score, k = floor(alpha (n + 1)); absent where that is none of them."""
    # Rounded, as 0.1 x 10 in floating point must not fall short of 1.
    place = int(np.floor(round((1 - level) * (len(scores) + 1), 9)))
    return float(np.sort(scores)[place - 1]) if place >= 1 else None
