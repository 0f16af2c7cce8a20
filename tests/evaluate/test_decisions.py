"""Yes-or-no answers: accuracy and F1 are scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from cxr_clip.evaluate.benchmarks import EvaluationOptions, measure
from cxr_clip.evaluate.contract import Benchmark, FindingsTask
from cxr_clip.evaluate.decisions import accuracy, f1
from cxr_clip.evaluate.subject import Material

ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


@given(ANSWERS)
def test_accuracy_and_f1_are_those_of_scikit_learn(pairs):
    answers, labels = np.array(pairs).T
    assert accuracy(answers, labels) == pytest.approx(accuracy_score(labels, answers))
    assert f1(answers, labels) == pytest.approx(f1_score(labels, answers, zero_division=0.0))


def test_answers_without_a_fault_are_not_held_for_certain(embedder, world_of, prompts):
    world, asked = world_of(noise=1.0), tuple(prompts["standard"].values())
    benchmark = Benchmark("zero_shot/made-up", 1, (), None, FindingsTask("standard", asked, decisions=True))
    options = EvaluationOptions(resamples=50)
    figures = measure(embedder, [(benchmark, Material(world.studies, world.read))], options)[0].metrics
    for name in ("macro", "Edema"):
        one = figures[f"accuracy/{name}"]
        assert (one.value, one.high) == (1, 1), name
        assert 0.88 < one.low < 0.9, name  # 30 patients with two studies each
