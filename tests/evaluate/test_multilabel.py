"""Figures over several findings against scikit-learn, under the weights of resamples too."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, label_ranking_average_precision_score
from sklearn.metrics import coverage_error as oracle_coverage

from cxr_clip.evaluate.multilabel import (
    Answers,
    coverage_error,
    coverage_error_of_chance,
    exact_match,
    macro_f1,
    micro_f1,
    ranking_precision,
    ranking_precision_of_chance,
)


def sample(seed, studies=25, findings=4):
    rng = np.random.default_rng(seed)
    said, true = rng.random((2, studies, findings)) < 0.4
    return Answers(said, true, np.ones_like(said)), rng.integers(0, 4, (3, studies)).astype(np.uint16), rng


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_figures_are_those_of_scikit_learn_on_what_was_drawn(seed):
    answers, weights, rng = sample(seed)
    scores = rng.integers(0, 6, answers.true.shape) / 5
    found = [figure(answers, weights) for figure in (micro_f1, macro_f1, exact_match)]
    orders = [figure(scores, answers.true, weights) for figure in (coverage_error, ranking_precision)]
    for row, micro, macro, exact, covered, precision in zip(weights, *found, *orders, strict=True):
        said, true, given_scores = (each.repeat(row, axis=0) for each in (answers.said, answers.true, scores))
        assert micro == pytest.approx(f1_score(true, said, average="micro", zero_division=0.0))
        assert macro == pytest.approx(f1_score(true, said, average="macro", zero_division=0.0))
        assert exact == pytest.approx(accuracy_score(true, said))
        assert covered == pytest.approx(oracle_coverage(true, given_scores))
        assert precision == pytest.approx(label_ranking_average_precision_score(true, given_scores))


def test_answers_without_a_label_are_left_out():
    answers, _, rng = sample(3)
    known = rng.random(answers.said.shape) < 0.8
    masked = Answers(answers.said, answers.true, known)
    flat = [each[known] for each in (answers.said, answers.true)]
    ones = np.ones((1, len(known)), dtype=np.uint16)
    assert micro_f1(masked, ones) == pytest.approx(f1_score(flat[1], flat[0]))
    whole = known.all(axis=1)
    assert exact_match(masked, ones) == pytest.approx(accuracy_score(answers.true[whole], answers.said[whole]))
    nothing = Answers(answers.said, answers.true, np.zeros_like(known))
    assert np.isnan(exact_match(nothing, ones)).all()
    assert (micro_f1(nothing, ones) == 0).all()


def test_a_finding_without_a_label_has_no_place_in_the_order():
    scores, true = np.array([[0.9, 0.5, 0.3]]), np.array([[False, False, True]])
    masked = np.where([[False, True, True]], scores, -np.inf)
    once = np.ones((1, 1), dtype=np.uint16)
    assert coverage_error(masked, true, once) == coverage_error(scores[:, 1:], true[:, 1:], once) == 2
    assert ranking_precision(masked, true, once) == ranking_precision(scores[:, 1:], true[:, 1:], once) == 0.5


@pytest.mark.parametrize(("true", "unknown"), [(1, 0), (2, 0), (3, 0), (5, 0), (2, 2), (1, 4), (0, 1)])
def test_chance_is_the_mean_over_all_orders(true, unknown):
    labels, known = np.arange(5)[None] < true, np.arange(5)[None] < 5 - unknown
    orders = np.array(list(permutations(range(5)))) + np.where(known, 0.0, -np.inf)
    many, once = np.ones((1, len(orders)), dtype=np.uint16), np.ones((1, 1), dtype=np.uint16)
    repeated = np.repeat(labels, len(orders), axis=0)
    for figure, of_chance in (
        (coverage_error, coverage_error_of_chance),
        (ranking_precision, ranking_precision_of_chance),
    ):
        assert of_chance(labels, known, once) == pytest.approx(figure(orders, repeated, many))
