"""Shares for few-shot learning: by patient, nested, with both classes, the same whatever the order of the studies."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_clip.evaluate.subsets import draw_subsets

SHARES = (0.01, 0.1, 0.5, 1.0)


def world(seed, studies=120, patients=50, findings=3, rate=0.1):
    rng = np.random.default_rng(seed)
    names = [f"p{number}" for number in rng.integers(0, patients, studies)]
    labels = np.where(rng.random((studies, findings)) < rate, 1, 0).astype(np.int8)
    labels[rng.random(labels.shape) < 0.2] = -1
    return names, labels


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(0, 5))
def test_shares_are_nested_hold_whole_patients_and_both_classes(number, seed):
    patients, labels = world(number)
    subsets = draw_subsets(patients, labels, SHARES, seed=seed)
    assert subsets[-1].tolist() == list(range(len(patients)))
    for smaller, larger in pairwise(subsets):
        assert set(smaller) <= set(larger)
    for rows in subsets:
        inside = {patients[row] for row in rows}
        assert rows.tolist() == [row for row, patient in enumerate(patients) if patient in inside]
        for finding in range(labels.shape[1]):
            assert set(labels[rows, finding]) >= set(labels[:, finding]) - {-1}


def test_a_share_is_of_the_patients_where_classes_are_common():
    patients = [f"p{number // 2}" for number in range(2000)]
    labels = (np.arange(2000) % 2).astype(np.int8)[:, None]
    sizes = [len(rows) for rows in draw_subsets(patients, labels, SHARES, seed=0)]
    assert sizes == [20, 200, 1000, 2000]


def test_a_rare_finding_adds_one_patient_and_no_more():
    patients = [f"p{number}" for number in range(1000)]
    labels = np.zeros((1000, 1), dtype=np.int8)
    labels[[3, 700]] = 1
    rows = draw_subsets(patients, labels, (0.01,), seed=0)[0]
    assert len(rows) == 11
    assert labels[rows].sum() == 1


def test_the_order_of_the_studies_does_not_matter_and_the_seed_does():
    patients, labels = world(1)
    turned = np.random.default_rng(0).permutation(len(patients))
    rows = draw_subsets(patients, labels, (0.1,), seed=3)[0]
    again = draw_subsets([patients[row] for row in turned], labels[turned], (0.1,), seed=3)[0]
    assert {patients[row] for row in rows} == {patients[turned[row]] for row in again}
    other = draw_subsets(patients, labels, (0.1,), seed=4)[0]
    assert {patients[row] for row in rows} != {patients[row] for row in other}


@pytest.mark.parametrize("share", SHARES)
def test_one_patient_at_least(share):
    assert draw_subsets(["only"], np.ones((1, 1), dtype=np.int8), (share,), seed=0)[0].tolist() == [0]
