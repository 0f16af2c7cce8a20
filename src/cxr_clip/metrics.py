"""AUROC and average precision from ranks, for one sample or for all its bootstrap resamples at once.

A resample is a row of weights: how often each study was drawn. The scores are sorted once and every resample is a
cumulative sum, so 1,000 resamples of 3,000 studies cost tens of milliseconds. Ties are handled as scikit-learn does:
studies with equal scores pass a threshold together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCK_WEIGHTS = 2_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RocCurve:
    """Points of a ROC curve from (0, 0) to (1, 1); the area under the polygon is the AUROC."""

    false_positive_rate: Floats
    true_positive_rate: Floats


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the chance that a positive scores above a negative, ties counting half; NaN without both classes."""
    return float(weighted_auroc(scores, labels, np.ones((1, len(np.asarray(scores))), dtype=np.uint16))[0])


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the mean precision over the steps of recall; NaN without a positive."""
    ones = np.ones((1, len(np.asarray(scores))), dtype=np.uint16)
    return float(weighted_average_precision(scores, labels, ones)[0])


def weighted_auroc(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the AUROC of each resample; `weights` is (resamples, studies). NaN where a class has no weight."""
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    negatives = np.argsort(values[~positive], kind="stable")
    below = np.searchsorted(values[~positive][negatives], values[positive], side="left")
    through = np.searchsorted(values[~positive][negatives], values[positive], side="right")

    def of_block(block: Floats) -> Floats:
        won, all_negatives = block[:, positive], _cumulative(block[:, ~positive][:, negatives])
        wins = np.sum(won * (all_negatives[:, below] + all_negatives[:, through]), axis=1) / 2
        return _divide(wins, won.sum(axis=1) * all_negatives[:, -1])

    return _by_block(of_block, weights)


def weighted_average_precision(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the average precision of each resample; `weights` is (resamples, studies). NaN without a positive."""
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    order = np.argsort(-values, kind="stable")
    # Every positive gets the precision at the end of its block of ties; studies after it have no say.
    ends = np.searchsorted(-values[order], -values[positive], side="right")
    positive_order = np.argsort(-values[positive], kind="stable")
    positive_ends = np.searchsorted(-values[positive][positive_order], -values[positive], side="right")

    def of_block(block: Floats) -> Floats:
        found, passed = _cumulative(block[:, positive][:, positive_order]), _cumulative(block[:, order])
        precision = np.nan_to_num(_divide(found[:, positive_ends], passed[:, ends]))
        return _divide(np.sum(block[:, positive] * precision, axis=1), found[:, -1])

    return _by_block(of_block, weights)


def roc_curve(scores: ArrayLike, labels: ArrayLike) -> RocCurve:
    """Return the corners of the ROC curve, one for each distinct score; both classes must be present."""
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    assert positive.any(), "a ROC curve needs a positive"
    assert not positive.all(), "a ROC curve needs a negative"
    order = np.argsort(-values, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    true, false = np.cumsum(positive[order])[last_of_tie], np.cumsum(~positive[order])[last_of_tie]
    return RocCurve(
        false_positive_rate=np.concatenate([[0.0], false / false[-1]]),
        true_positive_rate=np.concatenate([[0.0], true / true[-1]]),
    )


def _by_block(statistic: Callable[[Floats], Floats], weights: ArrayLike) -> Floats:
    """Apply a statistic to blocks of resamples, so that memory does not grow with their number."""
    counts = np.atleast_2d(np.asarray(weights))
    rows = max(1, BLOCK_WEIGHTS // max(1, counts.shape[1]))
    blocks = [counts[start : start + rows].astype(np.float64) for start in range(0, len(counts), rows)]
    return np.concatenate([statistic(block) for block in blocks])


def _cumulative(weights: Floats) -> Floats:
    """Sum along each row, with a leading 0: column i is the weight of the first i."""
    sums = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, giving NaN where the denominator is 0."""
    ratio = np.full(np.shape(numerator), np.nan)
    np.divide(numerator, denominator, out=ratio, where=denominator > 0)
    return ratio
