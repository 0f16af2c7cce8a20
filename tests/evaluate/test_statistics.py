"""Intervals: whole patients are drawn, and 95 % means about 95 %."""

import numpy as np
import pytest

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.statistics import (
    Estimate,
    estimate,
    exact,
    left_out,
    macro_estimate,
    patient_bootstrap_weights,
    weighted_mean,
    weighted_median,
)
from cxr_clip.metrics import weighted_auroc


def test_studies_of_a_patient_are_drawn_together_and_as_many_patients_as_there_are():
    patients = ["b", "a", "b", "c", "a", "b"]
    weights = patient_bootstrap_weights(patients, 200, np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 0] == weights[:, 5]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weights[:, [0, 1, 3]].mean() == pytest.approx(1.0)


def test_resamples_follow_the_generator_alone():
    draw = [patient_bootstrap_weights(list("abcdef"), 9, np.random.default_rng(5)) for _ in range(2)]
    assert (draw[0] == draw[1]).all()


def test_interval_is_the_percentiles_of_the_resamples_that_have_a_value():
    resampled = np.append(np.arange(1001) / 1000, [np.nan] * 7)
    assert estimate(0.5, resampled, 12) == Estimate(0.5, pytest.approx(0.025), pytest.approx(0.975), 12)
    assert left_out(resampled) == 7


def test_no_resample_with_a_value_is_an_error_that_says_what_to_do():
    with pytest.raises(EvaluationError, match="more resamples"):
        estimate(0.5, np.full(3, np.nan), 4)


def test_an_exact_figure_has_no_width():
    assert exact(0.1, 50) == Estimate(value=0.1, low=0.1, high=0.1, n=50)


def test_macro_interval_comes_from_the_same_resamples():
    rng = np.random.default_rng(0)
    one = rng.normal(0.8, 0.02, 4000)
    opposite = 1.6 - one  # what one gains the other loses, so their mean never moves
    macro = macro_estimate([0.8, 0.8], [one, opposite])
    assert macro == Estimate(value=pytest.approx(0.8), low=pytest.approx(0.8), high=pytest.approx(0.8), n=2)


def test_weighted_mean_and_median_equal_those_of_repeated_values():
    rng = np.random.default_rng(1)
    values, weights = rng.integers(1, 20, 15).astype(float), rng.integers(0, 4, (40, 15)).astype(np.uint16)
    for row, mean, median in zip(
        weights, weighted_mean(values, weights), weighted_median(values, weights), strict=True
    ):
        drawn = np.sort(np.repeat(values, row))
        assert mean == pytest.approx(drawn.mean())
        assert median == drawn[(len(drawn) - 1) // 2]


def test_a_resample_that_drew_nothing_has_no_mean_and_no_median():
    weights = np.zeros((1, 3), dtype=np.uint16)
    assert np.isnan(weighted_mean(np.ones(3), weights)).all()
    assert np.isnan(weighted_median(np.ones(3), weights)).all()


def test_nominal_interval_covers_the_true_auroc_about_as_often_as_it_says():
    # Normal scores one apart: the true AUROC is Phi(1 / sqrt 2) = 0.7602. Two studies a patient share their score and
    # label, so an interval that took studies for independent would be too narrow by sqrt 2 and cover about 83 %.
    rng, truth, covered, trials = np.random.default_rng(2), 0.7602499389, 0, 300
    patients = [str(i // 2) for i in range(160)]
    for _ in range(trials):
        labels = np.repeat(rng.random(80) < 0.5, 2)
        scores = np.repeat(rng.normal(size=80), 2) + labels
        weights = patient_bootstrap_weights(patients, 200, rng)
        interval = estimate(truth, weighted_auroc(scores, labels, weights), 160)
        covered += interval.low <= truth <= interval.high
    # The percentile interval of 80 patients covers a little under 95 %; 3 binomial errors of 300 trials are 3.8 %.
    assert 0.90 <= covered / trials <= 0.99
