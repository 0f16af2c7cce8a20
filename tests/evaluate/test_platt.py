"""Lines in log odds: scikit-learn's where it has them, finite where classes are apart, honest about patients."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from cxr_clip.evaluate.platt import fit_platt, fit_temperature, smoothed_targets


def sample(seed=0, count=400, slope=30.0, intercept=-1.0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(0.02, 0.05, count)
    return scores, rng.random(count) < expit(slope * scores + intercept)


def single(count):
    return [str(i) for i in range(count)]


def with_targets(scores, labels):
    """Every study once as positive and once as negative, weighted by its target: what scikit-learn can fit."""
    targets = smoothed_targets(labels)
    return np.tile(scores, 2)[:, None], np.repeat([1, 0], len(scores)), np.append(targets, 1 - targets)


def test_slope_and_intercept_are_those_of_scikit_learn():
    scores, labels = sample()
    line = fit_platt(scores, labels, single(400))
    design, answers, weights = with_targets(scores, labels)
    oracle = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000).fit(100 * design, answers, sample_weight=weights)
    assert line.slope == pytest.approx(100 * oracle.coef_[0, 0], rel=1e-4)
    assert line.intercept == pytest.approx(oracle.intercept_[0], abs=1e-4)
    assert line.probabilities(scores).mean() == pytest.approx(smoothed_targets(labels).mean(), abs=1e-6)


def test_temperature_is_that_of_scikit_learn_without_an_intercept():
    scores, labels = sample(intercept=0.0)
    design, answers, weights = with_targets(scores, labels)
    oracle = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000, fit_intercept=False)
    oracle.fit(100 * design, answers, sample_weight=weights)
    assert 1 / fit_temperature(scores, labels) == pytest.approx(100 * oracle.coef_[0, 0], rel=1e-4)


def test_scores_that_separate_the_classes_keep_a_finite_line():
    labels = np.arange(40) < 10
    line = fit_platt(labels * 0.1, labels, single(40))
    assert np.isfinite(line.covariance).all()
    assert line.probabilities(np.array([0.0, 0.1])) == pytest.approx([1 / 32, 11 / 12], abs=1e-4)


def test_scores_that_say_nothing_give_the_share_of_positives():
    line = fit_platt(np.full(50, 0.3), np.arange(50) < 20, single(50))
    assert line.probabilities(np.array([0.3])) == pytest.approx(0.4, abs=0.01)
    assert np.isfinite(line.covariance).all()


def test_copies_within_a_patient_do_not_make_the_line_better_known():
    scores, labels = sample()
    once = fit_platt(scores, labels, single(400)).covariance
    thrice = fit_platt(scores.repeat(3), labels.repeat(3), list(np.array(single(400)).repeat(3))).covariance
    np.testing.assert_allclose(thrice, once, rtol=0.1)


def test_intervals_of_probabilities_cover_the_truth():
    # Two studies a patient with the same score and label; taken as independent they would cover about 83 %.
    covered, trials, at = 0, 300, 0.06
    patients = [str(i // 2) for i in range(400)]
    for trial in range(trials):
        scores, labels = sample(seed=1000 + trial, count=200)
        line = fit_platt(scores.repeat(2), labels.repeat(2), patients)
        place = np.array([at, 1.0])
        half = 1.96 * np.sqrt(place @ line.covariance @ place)
        covered += abs(line.slope * at + line.intercept - (30 * at - 1)) <= half
    assert covered / trials == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / trials))
