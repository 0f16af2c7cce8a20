"""Agreement of two ordinal answers, such as grades of severity: quadratic kappa and Spearman, for all resamples.

A resample is a row of weights: how often each study was drawn.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from cxr_clip.evaluate.multilabel import Figures, Weights
from cxr_clip.metrics import divide


def quadratic_kappa(first: Int[ndarray, "studies"], second: Int[ndarray, "studies"], weights: Weights) -> Figures:
    """Return Cohen's kappa with quadratic weights of two grades; NaN where both are one grade.

    The squared distances of independent grades sum to n (sum of a^2 + sum of b^2) - 2 (sum of a) (sum of b), so that
    scales of many grades need no table of all pairs.
    """
    drawn = weights.astype(np.float64)
    total, squares = drawn.sum(axis=1), drawn @ (first**2 + second**2)
    chance = total * squares - 2 * (drawn @ first) * (drawn @ second)
    return 1 - divide(total * (drawn @ (first - second) ** 2), chance)


def spearman(first: Float[ndarray, "studies"], second: Float[ndarray, "studies"], weights: Weights) -> Figures:
    """Return the correlation of midranks; NaN where one of the two does not vary."""
    drawn = weights.astype(np.float64)
    total = drawn.sum(axis=1, keepdims=True)
    ranks = [_midranks(values, drawn) - (total + 1) / 2 for values in (first, second)]
    products = [np.einsum("rs,rs,rs->r", drawn, ranks[one], ranks[other]) for one, other in ((0, 1), (0, 0), (1, 1))]
    scale = np.sqrt(products[1] * products[2])
    return divide(products[0], scale)


def _midranks(
    values: Float[ndarray, "studies"], weights: Float[ndarray, "resamples studies"]
) -> Float[ndarray, "resamples studies"]:
    """Return the mean rank, from 1, that each study's copies have among all that were drawn."""
    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    starts = np.cumsum(counts) - counts
    of_level = np.add.reduceat(weights[:, np.argsort(level, kind="stable")], starts, axis=1)
    return (np.cumsum(of_level, axis=1) - of_level / 2 + 0.5)[:, level]
