"""Rank statistics against scikit-learn, alone and under weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from cxr_clip import metrics
from cxr_clip.metrics import auroc, average_precision, roc_curve, weighted_auroc, weighted_average_precision


@st.composite
def scored(draw):
    """Labels with both classes, and scores on a coarse grid, so that ties are common."""
    count = draw(st.integers(2, 40))
    labels = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    labels[0], labels[1] = True, False
    scores = np.array(draw(st.lists(st.integers(-4, 4), min_size=count, max_size=count))) / 7
    return scores, labels


@settings(deadline=None, max_examples=100)
@given(scored())
def test_figures_equal_scikit_learn_with_ties(sample):
    scores, labels = sample
    assert auroc(scores, labels) == pytest.approx(oracle.roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(scores, labels) == pytest.approx(oracle.average_precision_score(labels, scores), abs=1e-12)


@settings(deadline=None, max_examples=100)
@given(scored(), st.integers(0, 10_000))
def test_weights_equal_scikit_learn_weights_and_repeated_studies(sample, seed):
    scores, labels = sample
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(scores)))
    weights[:, :2] += 1
    by_auroc, by_precision = (
        weighted_auroc(scores, labels, weights),
        weighted_average_precision(scores, labels, weights),
    )
    for row, area, precision in zip(weights, by_auroc, by_precision, strict=True):
        assert area == pytest.approx(oracle.roc_auc_score(labels, scores, sample_weight=row), abs=1e-12)
        assert area == pytest.approx(auroc(np.repeat(scores, row), np.repeat(labels, row)), abs=1e-12)
        assert precision == pytest.approx(oracle.average_precision_score(labels, scores, sample_weight=row), abs=1e-12)


@settings(deadline=None, max_examples=50)
@given(scored())
def test_roc_curve_encloses_the_auroc_and_rises_from_corner_to_corner(sample):
    scores, labels = sample
    curve = roc_curve(scores, labels)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(auroc(scores, labels), abs=1e-12)
    assert (curve.true_positive_rate[0], curve.false_positive_rate[0]) == (0, 0)
    assert (curve.true_positive_rate[-1], curve.false_positive_rate[-1]) == (1, 1)
    assert (np.diff(curve.true_positive_rate) >= 0).all()


def test_a_score_that_says_nothing_gives_one_half_and_the_prevalence():
    labels = np.array([True, False, False, False])
    assert auroc(np.zeros(4), labels) == 0.5
    assert average_precision(np.zeros(4), labels) == 0.25


def test_a_vanished_class_gives_nan_and_no_warning():
    labels, scores = np.array([True, True, False]), np.array([0.3, 0.2, 0.1])
    weights = np.array([[0, 0, 2], [1, 1, 0], [1, 0, 1]])
    assert np.isnan(weighted_auroc(scores, labels, weights)).tolist() == [True, True, False]
    assert np.isnan(weighted_average_precision(scores, labels, weights)).tolist() == [True, False, False]


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    scores, labels, weights = rng.normal(size=30), rng.random(30) < 0.4, rng.integers(0, 3, (20, 30))
    whole = weighted_auroc(scores, labels, weights), weighted_average_precision(scores, labels, weights)
    monkeypatch.setattr(metrics, "BLOCK_WEIGHTS", 100)
    assert (weighted_auroc(scores, labels, weights) == whole[0]).all()
    assert (weighted_average_precision(scores, labels, weights) == whole[1]).all()


def test_sums_of_weights_beyond_sixteen_bits_change_nothing():
    rng = np.random.default_rng(0)
    scores, labels, weights = rng.integers(0, 9, 30), rng.random(30) < 0.4, rng.integers(0, 3, (20, 30))
    for statistic in (weighted_auroc, weighted_average_precision):
        few, many = statistic(scores, labels, weights.astype(np.uint16)), statistic(scores, labels, 60_000 * weights)
        assert many == pytest.approx(few, abs=1e-12)
