"""DeLong's covariance against placement values counted one by one, and the test by its known behaviour."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.delong import Areas, area_difference, area_estimate, areas


def counted_placements(scores, labels):
    """The definition: psi(x, y) is 1, one half or 0 as the positive is above, level with or below the negative."""
    wins = (scores[labels][:, None] > scores[~labels]) + 0.5 * (scores[labels][:, None] == scores[~labels])
    return wins.mean(axis=1), wins.mean(axis=0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(2, 12), st.sampled_from([2, 5, 10**6]))
def test_areas_and_covariance_are_those_of_counted_placements(seed, positives, negatives, levels):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(positives + negatives) < positives)
    scores = rng.integers(0, levels, (3, len(labels))).astype(float)
    found = areas(scores, labels)
    of_positive, of_negative = (
        np.stack(each) for each in zip(*(counted_placements(s, labels) for s in scores), strict=True)
    )
    expected = np.cov(of_positive) / positives + np.cov(of_negative) / negatives
    assert found.values == pytest.approx([roc_auc_score(labels, one) for one in scores])
    np.testing.assert_allclose(found.covariance, expected, atol=1e-12)


def test_studies_of_a_patient_that_are_copies_count_once_up_to_the_small_sample_factor():
    rng = np.random.default_rng(0)
    labels = np.arange(60) < 25
    scores = rng.normal(size=(2, 60)) + labels
    once = areas(scores, labels)
    patients = [str(i // 3) for i in range(180)]
    thrice = areas(scores.repeat(3, axis=1), labels.repeat(3), patients)
    np.testing.assert_allclose(thrice.values, once.values)
    np.testing.assert_allclose(thrice.covariance, once.covariance)
    independent = areas(scores.repeat(3, axis=1), labels.repeat(3))
    assert (np.diag(independent.covariance) < 0.4 * np.diag(once.covariance)).all()


def test_a_patient_with_both_classes_ties_the_two_sides():
    # The variance of Obuchowski 1997 written out with loops over patients.
    rng = np.random.default_rng(3)
    patient = rng.integers(0, 20, 70)
    labels, scores = rng.random(70) < 0.4, rng.normal(size=70) + rng.normal(size=20)[patient]
    of_positive, of_negative = counted_placements(scores, labels)
    area, m, n = of_positive.mean(), labels.sum(), (~labels).sum()
    x = np.array(
        [of_positive[patient[labels] == one].sum() - area * (labels & (patient == one)).sum() for one in range(20)]
    )
    y = np.array(
        [of_negative[patient[~labels] == one].sum() - area * (~labels & (patient == one)).sum() for one in range(20)]
    )
    with_positive, with_negative = len(set(patient[labels])), len(set(patient[~labels]))
    expected = (
        with_positive / (with_positive - 1) * (x @ x) / m**2
        + with_negative / (with_negative - 1) * (y @ y) / n**2
        + 2 * 20 / 19 * (x @ y) / (m * n)
    )
    found = areas(scores[None], labels, [str(one) for one in patient])
    assert found.covariance[0, 0] == pytest.approx(expected)


def test_the_interval_is_made_in_log_odds_and_stays_inside():
    estimate = area_estimate(Areas(np.array([0.98]), np.array([[0.02**2]]), n=40, patients=11))
    logits = [np.log(p / (1 - p)) for p in (estimate.low, estimate.value, estimate.high)]
    half = 2.228139 * 0.02 / (0.98 * 0.02)  # the quantile of Student's t with 10 degrees of freedom
    assert logits == pytest.approx([logits[1] - half, logits[1], logits[1] + half])
    assert area_estimate(Areas(np.array([1.0]), np.zeros((1, 1)), n=40, patients=11)).low == 1.0


def test_equal_models_differ_by_nothing_and_a_changed_sign_by_all():
    rng = np.random.default_rng(1)
    labels = rng.random(80) < 0.5
    scores = rng.normal(size=80) + 2 * labels
    same = area_difference(areas(np.stack([scores, 2 * scores]), labels))
    assert (same.difference.value, same.p) == (0.0, 1.0)
    worse = area_difference(areas(np.stack([scores, -scores]), labels))
    assert worse.difference.high < 0
    assert worse.p < 1e-4
    perfect = area_difference(areas(np.stack([labels, ~labels]).astype(float), labels))
    assert (perfect.difference.value, perfect.p) == (-1.0, 0.0)


def test_p_values_of_equal_models_are_uniform():
    rng, found = np.random.default_rng(2), []
    labels = np.arange(120) < 50
    for _ in range(800):
        shared = rng.normal(size=120) + labels
        found.append(area_difference(areas(shared + 0.7 * rng.normal(size=(2, 120)), labels)).p)
    # Three binomial errors of 800 trials.
    for level in (0.05, 0.5):
        assert np.mean(np.array(found) < level) == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 800))


def test_one_patient_of_a_class_has_no_variance():
    labels = np.array([True, True, False, False])
    with pytest.raises(EvaluationError, match="1 have a positive study, 2 a negative one"):
        areas(np.arange(4.0)[None], labels, ["a", "a", "b", "c"])
