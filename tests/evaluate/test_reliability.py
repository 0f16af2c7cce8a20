"""Calibration errors: scikit-learn's bins and score, and zero for probabilities that hold."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from cxr_clip.evaluate.reliability import brier, calibration_error, equal_mass, equal_width, reliability

RNG = np.random.default_rng(0)
PROBABILITIES = RNG.random(500) ** 2
LABELS = RNG.random(500) < PROBABILITIES
PATIENTS = [str(i // 2) for i in range(500)]


@pytest.mark.parametrize(("strategy", "bins"), [("uniform", equal_width), ("quantile", equal_mass)])
def test_bins_are_those_of_scikit_learn(strategy, bins):
    observed, predicted = calibration_curve(LABELS, PROBABILITIES, n_bins=10, strategy=strategy)
    found = reliability(PROBABILITIES, LABELS, bins(PROBABILITIES), PATIENTS)
    assert [one.probability for one in found] == pytest.approx(list(predicted))
    assert [one.observed.value for one in found] == pytest.approx(list(observed))
    counts = np.array([one.observed.n for one in found])
    expected = np.abs(observed - predicted) @ counts / 500
    assert calibration_error(PROBABILITIES, LABELS, bins(PROBABILITIES)) == pytest.approx(expected)


def test_brier_score_is_scikit_learns():
    assert brier(PROBABILITIES, LABELS) == pytest.approx(brier_score_loss(LABELS, PROBABILITIES))


def test_bins_of_equal_mass_hold_as_many_and_ties_stay_together():
    assert np.bincount(equal_mass(PROBABILITIES)).tolist() == [50] * 10
    tied = np.repeat([0.1, 0.7], [30, 70])
    assert len(np.unique(equal_mass(tied))) == 2


def test_certain_and_right_has_no_error_and_certain_and_wrong_all_of_it():
    labels = np.arange(10) < 4
    for bins in (equal_width, equal_mass):
        right, wrong = labels.astype(float), 1.0 - labels
        assert calibration_error(right, labels, bins(right)) == 0
        assert calibration_error(wrong, labels, bins(wrong)) == 1
