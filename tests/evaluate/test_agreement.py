"""Ordinal agreement against scikit-learn and scipy, under the weights of resamples too."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score

from cxr_clip.evaluate.agreement import quadratic_kappa, spearman


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_figures_are_those_of_the_libraries_on_what_was_drawn(seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 4, 40)
    second = np.clip(first + rng.integers(-1, 2, 40), 0, 3)
    weights = rng.integers(0, 4, (3, 40)).astype(np.uint16)
    kappas, correlations = quadratic_kappa(first, second, weights), spearman(first / 3, second / 3, weights)
    for row, kappa, correlation in zip(weights, kappas, correlations, strict=True):
        drawn = first.repeat(row), second.repeat(row)
        assert kappa == pytest.approx(cohen_kappa_score(*drawn, weights="quadratic", labels=range(4)))
        assert correlation == pytest.approx(spearmanr(*drawn).statistic)


def test_a_scale_of_hundreds_of_grades_is_no_burden():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 1000, (2, 50))
    kappa = quadratic_kappa(first, second, np.ones((1001, 50), dtype=np.uint16))
    assert kappa[0] == pytest.approx(cohen_kappa_score(first, second, weights="quadratic", labels=range(1000)))


def test_one_grade_alone_has_no_agreement():
    weights = np.ones((1, 5), dtype=np.uint16)
    same = np.zeros(5, dtype=np.int64)
    assert np.isnan(quadratic_kappa(same, same, weights)).all()
    assert np.isnan(quadratic_kappa(same + 3, same + 3, weights)).all()
    assert np.isnan(spearman(same.astype(float), np.arange(5.0), weights)).all()
