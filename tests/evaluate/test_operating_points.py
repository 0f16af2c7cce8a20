"""Operating points: chosen by their rule on one part, measured on another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from cxr_clip.calibration import Threshold
from cxr_clip.evaluate.operating_points import choose_thresholds, measure_threshold
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.study import Split


def every_threshold(scores, labels):
    """All thresholds with their rates, by counting."""
    for threshold in [*np.unique(scores), np.inf]:
        said = scores >= threshold
        yield said[labels].mean(), 1 - said[~labels].mean()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(2, 25), st.sampled_from([3, 10**6]))
def test_each_rule_takes_the_best_of_all_thresholds(seed, count, levels):
    rng = np.random.default_rng(seed)
    labels = np.append([True, False], rng.random(count) < 0.5)
    scores = rng.integers(0, levels, len(labels)) / 7
    chosen, all_rates = choose_thresholds(scores, labels), list(every_threshold(scores, labels))
    youden = chosen["youden"]
    assert youden.sensitivity + youden.specificity == pytest.approx(max(map(sum, all_rates)))
    best = max(f1_score(labels, scores >= one) for one in [*np.unique(scores), np.inf])
    assert f1_score(labels, scores >= chosen["f1"].score) == pytest.approx(best)
    for least in (0.9, 0.95):
        best = max(sensitivity for sensitivity, specificity in all_rates if specificity >= least)
        assert chosen[f"specificity_{round(100 * least)}"].sensitivity == pytest.approx(best)
        best = max(specificity for sensitivity, specificity in all_rates if sensitivity >= least)
        assert chosen[f"sensitivity_{round(100 * least)}"].specificity == pytest.approx(best)
    for one in chosen.values():
        said = scores >= one.score
        assert one.sensitivity == pytest.approx(recall_score(labels, said))
        assert one.specificity == pytest.approx(recall_score(~labels, ~said))


def kept(scores, labels):
    return FindingScores(
        benchmark="zero_shot/standard",
        finding="Edema",
        studies=tuple(f"s{i}" for i in range(len(scores))),
        patients=tuple(f"p{i // 2}" for i in range(len(scores))),
        splits=(Split.TEST,) * len(scores),
        labels=np.asarray(labels, dtype=bool),
        scores=np.asarray(scores, dtype=float),
    )


def test_a_threshold_is_measured_where_it_was_not_chosen():
    threshold = Threshold(score=0.5, sensitivity=1.0, specificity=1.0)
    point = measure_threshold("youden", threshold, kept([0.5, 0.4, 0.9, 0.1, 0.2, 0.7], [1, 1, 1, 0, 0, 0]))
    assert (point.sensitivity.value, point.sensitivity.n) == (pytest.approx(2 / 3), 3)
    assert (point.specificity.value, point.specificity.n) == (pytest.approx(2 / 3), 3)
    assert point.sensitivity.low < 2 / 3 < point.sensitivity.high
    assert measure_threshold("youden", threshold, kept([0.1, 0.2], [0, 0])).sensitivity is None


def test_scores_that_cannot_reach_the_specificity_call_nothing_positive():
    chosen = choose_thresholds(np.zeros(20), np.arange(20) < 10)
    assert (chosen["specificity_95"].sensitivity, chosen["specificity_95"].specificity) == (0.0, 1.0)
    assert chosen["specificity_95"].score > 0
    assert chosen["sensitivity_95"].score == 0
