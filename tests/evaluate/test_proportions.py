"""Shares: Wilson's interval where studies are independent, a wider one where patients are."""

import numpy as np
import pytest
from scipy.stats import binomtest

from cxr_clip.evaluate.proportions import effective_number, resampled_share, share
from cxr_clip.evaluate.statistics import patient_bootstrap_weights


@pytest.mark.parametrize("hits", [1, 13, 39])
def test_independent_studies_have_wilsons_interval(hits):
    found = share(np.arange(40) < hits, [str(i) for i in range(40)])
    expected = binomtest(hits, 40).proportion_ci(0.95, method="wilson")
    assert (found.value, found.n) == (hits / 40, 40)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_copies_within_a_patient_add_nothing():
    hits = np.arange(40) < 13
    thrice = share(hits.repeat(3), np.arange(40).repeat(3))
    once = share(hits, np.arange(40))
    assert thrice.n == 120
    assert (thrice.low, thrice.high) == (pytest.approx(once.low, abs=2e-3), pytest.approx(once.high, abs=2e-3))


def test_patients_that_differ_less_than_chance_count_as_studies_and_no_more():
    assert effective_number(np.tile([True, False], 20), np.arange(20).repeat(2)) == 40


@pytest.mark.parametrize("value", [False, True])
def test_at_the_ends_patients_are_counted_and_the_interval_has_a_width(value):
    found = share(np.full(30, value), np.arange(10).repeat(3))
    expected = binomtest(10 * value, 10).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_share_whose_resamples_all_agree_has_wilsons_interval_of_its_patients(value):
    weights = patient_bootstrap_weights([f"p{i // 3}" for i in range(30)], 200, np.random.default_rng(0))
    found = resampled_share(value, np.full(200, value), weights, 30)
    expected = binomtest(int(10 * value), 10).proportion_ci(0.95, method="wilson")
    assert (found.low, found.high) == (pytest.approx(expected.low, abs=1e-9), pytest.approx(expected.high))
    assert found.n == 30


def test_any_other_share_has_the_interval_of_its_resamples():
    found = resampled_share(0.5, np.linspace(0.3, 0.7, 401), np.ones((401, 8), dtype=np.uint16), 8)
    assert (found.low, found.high) == (pytest.approx(0.31), pytest.approx(0.69))
