"""Several findings of a study at once: F1 over all answers, exact match, rankings of findings; for all resamples.

A resample is a row of weights: how often each study was drawn. The definitions are scikit-learn's; where a label is
missing, F1 leaves out the answer and exact match the study.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

from cxr_clip.metrics import divide

Weights = Shaped[ndarray, "resamples studies"]
Figures = Float[ndarray, "resamples"]
Scores = Float[ndarray, "studies findings"]
Labels = Bool[ndarray, "studies findings"]


@dataclass(frozen=True, eq=False)
class Answers:
    """What was said and what is true of each study and finding, and whether its label is known at all."""

    said: Bool[ndarray, "studies findings"]
    true: Bool[ndarray, "studies findings"]
    known: Bool[ndarray, "studies findings"]


@dataclass(frozen=True, eq=False)
class _Counts:
    """Right positives, and positives said and true together, of each finding."""

    right: Float[ndarray, "resamples findings"]
    either: Float[ndarray, "resamples findings"]


def micro_f1(answers: Answers, weights: Weights) -> Figures:
    """Return the F1 of all answers together; 0 where nothing is said nor true."""
    counts = _counts(answers, weights)
    return _f1(counts.right.sum(axis=1), counts.either.sum(axis=1))


def macro_f1(answers: Answers, weights: Weights) -> Figures:
    """Return the mean over findings of their F1, each 0 where nothing is said nor true of it."""
    counts = _counts(answers, weights)
    by_finding: Float[ndarray, "resamples findings"] = _f1(counts.right, counts.either)
    mean: Figures = by_finding.mean(axis=1)
    return mean


def exact_match(answers: Answers, weights: Weights) -> Figures:
    """Return the share of studies with all findings right, among those with all labels known; NaN without any."""
    whole = answers.known.all(axis=1)
    right = (answers.said == answers.true).all(axis=1) & whole
    return divide(weights.astype(np.float64) @ right, weights.astype(np.float64) @ whole)


def coverage_error(scores: Scores, labels: Labels, weights: Weights) -> Figures:
    """Return how many findings, best scores first, must be taken on average to have all true ones; 0 of none true.

    A finding whose label is missing has the score minus infinity and is passed over.
    """
    lowest = np.where(labels, scores, np.inf).min(axis=1, keepdims=True)
    return _mean((scores >= lowest).sum(axis=1), weights)


def ranking_precision(scores: Scores, labels: Labels, weights: Weights) -> Figures:
    """Return the label-ranking average precision, 1 of none true; a missing label is marked as in `coverage_error`.

    For each true finding of a study: the share of true ones among the findings that score at least as high.
    """
    true, total = labels.sum(axis=1), np.zeros(len(labels))
    for column in np.flatnonzero(labels.any(axis=0)):
        ahead = scores >= scores[:, [column]]
        share = (ahead & labels).sum(axis=1) / np.maximum(ahead.sum(axis=1), 1)
        total += np.where(labels[:, column], share, 0.0)
    return _mean(np.where(true > 0, total / np.maximum(true, 1), 1.0), weights)


def coverage_error_of_chance(labels: Labels, known: Labels, weights: Weights) -> Figures:
    """Return what a random order gives on average: k (m + 1) / (k + 1) for k true ones of m."""
    true, of = labels.sum(axis=1), known.sum(axis=1)
    return _mean(true * (of + 1) / (true + 1), weights)


def ranking_precision_of_chance(labels: Labels, known: Labels, weights: Weights) -> Figures:
    """Return what a random order gives on average: (H + (k - 1) (m - H) / (m - 1)) / m, H the m-th harmonic number.

    A true finding is at each of m places equally often, and the other k - 1 true ones are spread over the m - 1 others.
    """
    true, of = labels.sum(axis=1).astype(np.float64), known.sum(axis=1).astype(np.float64)
    harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, labels.shape[1] + 1)))[known.sum(axis=1)]
    others = (true - 1) * (of - harmonic) / np.maximum(of - 1, 1)
    return _mean(np.where(true > 0, (harmonic + others) / np.maximum(of, 1), 1.0), weights)


def _mean(values: Shaped[ndarray, "studies"], weights: Weights) -> Figures:
    return divide(weights.astype(np.float64) @ values, weights.sum(axis=1, dtype=np.float64))


def _counts(answers: Answers, weights: Weights) -> _Counts:
    said, true = answers.said & answers.known, answers.true & answers.known
    drawn = weights.astype(np.float64)
    return _Counts(right=drawn @ (said & true), either=drawn @ (said.astype(np.float64) + true))


def _f1(right: Shaped[ndarray, "..."], either: Shaped[ndarray, "..."]) -> Shaped[ndarray, "..."]:
    return np.asarray(2 * right / np.maximum(either, 1))
