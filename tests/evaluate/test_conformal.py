"""Prediction sets keep the true answer as often as they say, of each class by itself."""

import numpy as np
import pytest

from cxr_clip.calibration import Answer
from cxr_clip.evaluate.conformal import prediction_bounds


def test_coverage_of_each_class_is_the_nominal_one_within_binomial_error():
    # With 99 and 49 studies the expectation is exact: 90 % each. Prevalence differs between the two parts.
    rng, kept, trials = np.random.default_rng(0), {True: 0, False: 0}, 4000
    labels = np.arange(148) < 99
    for _ in range(trials):
        bounds = prediction_bounds(rng.normal(size=148) + 0.5 * labels, labels)
        kept[True] += bounds.answer(rng.normal() + 0.5) in (Answer.POSITIVE, Answer.UNDECIDED)
        kept[False] += bounds.answer(rng.normal()) in (Answer.NEGATIVE, Answer.UNDECIDED)
    error = 3 * np.sqrt(0.9 * 0.1 / trials)
    assert kept[True] / trials == pytest.approx(0.9, abs=error)
    assert kept[False] / trials == pytest.approx(0.9, abs=error)


def test_ties_keep_more_and_never_less():
    rng, kept, trials = np.random.default_rng(1), 0, 2000
    labels = np.arange(60) < 30
    for _ in range(trials):
        bounds = prediction_bounds(rng.integers(0, 3, 60).astype(float), labels)
        kept += bounds.answer(float(rng.integers(0, 3))) in (Answer.POSITIVE, Answer.UNDECIDED)
    assert kept / trials > 0.9


def test_bounds_are_order_statistics_by_hand():
    labels = np.arange(28) < 19
    scores = np.append(np.arange(19.0), np.arange(9.0))
    bounds = prediction_bounds(scores, labels)
    # 0.1 x (19 + 1) = 2: the second lowest positive; 0.1 x (9 + 1) = 1: the highest negative.
    assert (bounds.positive_from, bounds.negative_to, bounds.level) == (1.0, 8.0, 0.9)


def test_a_class_with_too_few_studies_is_never_excluded():
    bounds = prediction_bounds(np.arange(28.0), np.arange(28) < 8)
    assert bounds.positive_from is None
    assert bounds.answer(-1e9) is Answer.UNDECIDED


def test_good_scores_abstain_less_than_bad_ones():
    rng = np.random.default_rng(2)
    labels, noise = rng.random(400) < 0.5, rng.normal(size=400)
    undecided = []
    for gap in (0.5, 2.0):
        scores = noise + gap * labels
        bounds = prediction_bounds(scores, labels)
        undecided.append(sum(bounds.answer(score) is Answer.UNDECIDED for score in scores))
    assert undecided[1] < 0.5 * undecided[0]
