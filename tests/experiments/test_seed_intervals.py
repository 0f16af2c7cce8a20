"""Intervals over seeds and patients: textbook values in both limits, and coverage where both are at work."""

import math

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp, ttest_rel

from cxr_clip.experiments.seed_intervals import SeedFigures, mean_over_seeds


def alike(values: list[float]) -> SeedFigures:
    """Seeds whose figures do not depend on which patients are tested."""
    return SeedFigures(np.asarray(values), np.repeat(np.asarray(values)[:, None], 50, axis=1))


def test_without_chance_in_patients_it_is_the_t_interval_over_seeds() -> None:
    """Mean 3, standard deviation sqrt(2.5), five seeds: 3 +- 2.776 sqrt(2.5 / 5)."""
    found = mean_over_seeds(alike([1.0, 2.0, 3.0, 4.0, 5.0]))
    assert found.estimate.value == 3.0
    assert found.estimate.low == pytest.approx(3 - 2.7764451 * math.sqrt(0.5))
    assert found.estimate.high == pytest.approx(3 + 2.7764451 * math.sqrt(0.5))
    assert found.estimate.n == 5
    assert found.p == pytest.approx(ttest_1samp([1, 2, 3, 4, 5], 0).pvalue)


def test_the_difference_is_the_paired_t_test() -> None:
    first, second = [0.5, 0.7, 0.6, 0.9], [0.4, 0.65, 0.52, 0.83]
    found = mean_over_seeds(alike(first).minus(alike(second)))
    assert found.p == pytest.approx(ttest_rel(first, second).pvalue)


def test_where_seeds_agree_it_is_the_interval_of_the_patients() -> None:
    resampled = np.random.default_rng(0).normal(0.75, 0.02, 400)
    found = mean_over_seeds(SeedFigures(np.full(3, 0.75), np.tile(resampled, (3, 1))))
    error = resampled.std(ddof=1)
    assert found.from_seeds == 0
    assert found.estimate.high - found.estimate.value == pytest.approx(norm.ppf(0.975) * error)
    assert found.p == pytest.approx(2 * norm.sf(0.75 / error))


def test_one_seed_has_the_chance_of_patients_alone() -> None:
    resampled = np.random.default_rng(0).normal(0.7, 0.02, (1, 400))
    found = mean_over_seeds(SeedFigures(np.asarray([0.7]), resampled))
    assert found.from_seeds is None
    assert found.estimate.high - 0.7 == pytest.approx(norm.ppf(0.975) * resampled.std(ddof=1))


def test_variances_add_and_freedom_is_welchs() -> None:
    """Two seeds: variance 2 / 2 = 1 from seeds, 3 from patients, so 4 in all and (4 / 1)^2 = 16 degrees of freedom."""
    shift = np.asarray([-1.5, 1.5]) * math.sqrt(2 / 3)  # variance 3
    found = mean_over_seeds(SeedFigures(np.asarray([9.0, 11.0]), np.asarray([9.0 + shift, 11.0 + shift])))
    assert found.from_seeds == pytest.approx(1.0)
    assert found.from_patients == pytest.approx(math.sqrt(3))
    assert found.estimate.high == pytest.approx(10 + 2.1199053 * 2)


def test_an_interval_ends_where_a_figure_can_be_no_more() -> None:
    found = mean_over_seeds(alike([0.5, 0.9]))
    assert found.estimate.high > 1
    within = found.within(0.0, 1.0)
    assert (within.estimate.low, within.estimate.high, within.estimate.value) == (0.0, 1.0, found.estimate.value)
    assert (within.p, within.from_seeds) == (found.p, found.from_seeds)


def test_arms_that_are_the_same_do_not_differ() -> None:
    found = mean_over_seeds(alike([0.5, 0.6]).minus(alike([0.5, 0.6])))
    assert (found.estimate.low, found.estimate.high, found.p) == (0.0, 0.0, 1.0)


def test_the_interval_covers_the_truth_where_seeds_and_patients_vary() -> None:
    """A figure is truth + seed + mean over patients of (patient + patient of that seed); 5 seeds, 100 patients."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        patients = rng.normal(0, 1, 100) + rng.normal(0, 0.5, (5, 100)) + rng.normal(0, 0.1, (5, 1))
        drawn = rng.multinomial(100, np.full(100, 0.01), 200) / 100
        found = mean_over_seeds(SeedFigures(patients.mean(axis=1), patients @ drawn.T)).estimate
        covered += found.low <= 0 <= found.high
    assert 0.92 < covered / 300 < 0.99
