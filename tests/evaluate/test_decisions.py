"""Yes-or-no answers: accuracy and F1 are scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from cxr_clip.evaluate.decisions import accuracy, f1

ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


@given(ANSWERS)
def test_accuracy_and_f1_are_those_of_scikit_learn(pairs):
    answers, labels = np.array(pairs).T
    assert accuracy(answers, labels) == pytest.approx(accuracy_score(labels, answers))
    assert f1(answers, labels) == pytest.approx(f1_score(labels, answers, zero_division=0.0))
