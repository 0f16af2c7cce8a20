"""Ranks against the slow obvious version, under ties, and with several right targets."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from cxr_clip import ranking
from cxr_clip.errors import EvaluationError
from cxr_clip.ranking import (
    best_target_ranks,
    both_ways,
    merge_identical,
    recall_at,
    target_ranks,
    target_ranks_in_order,
)


def embeddings(count, dim, seed):
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_identical_texts_merge_across_white_space_but_not_across_case():
    merged = merge_identical(["No effusion.", "Normal.", " No\n effusion. ", "normal.", "Normal."])
    assert merged.first.tolist() == [0, 1, 3]
    assert merged.group.tolist() == [0, 1, 0, 2, 1]


def test_no_texts_merge_to_nothing():
    merged = merge_identical([])
    assert merged.first.shape == merged.group.shape == (0,)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000))
def test_rank_without_ties_is_the_place_in_the_sorted_list(n, m, seed):
    queries, targets = embeddings(n, 5, seed), embeddings(m, 5, seed + 1)
    right = np.random.default_rng(seed).integers(0, m, n)
    slow = [sorted(-(targets @ q)).index(-(targets @ q)[r]) + 1 for q, r in zip(queries, right, strict=True)]
    assert target_ranks(queries, targets, right).tolist() == slow


def test_chunks_change_nothing(monkeypatch):
    queries, targets = embeddings(50, 8, 0), embeddings(30, 8, 1)
    right = np.arange(50) % 30
    whole = target_ranks(queries, targets, right)
    monkeypatch.setattr(ranking, "CHUNK_SCORES", 70)
    assert (target_ranks(queries, targets, right) == whole).all()


@pytest.mark.parametrize(("targets", "expected"), [(1, 1), (2, 2), (3, 2), (101, 51)])
def test_an_encoder_that_maps_everything_to_one_point_gets_the_middle_rank(targets, expected):
    point = torch.full((1, 512), 512**-0.5)
    ranks = target_ranks(point.expand(7, -1), point.expand(targets, -1), np.zeros(7, dtype=int))
    assert set(ranks.tolist()) == {expected}


def test_ties_expect_the_first_of_several_right_targets_at_its_mean_place():
    point = torch.ones(1, 1)
    # One query, 11 tied targets of which 2 are right: the first right one is expected at (11 + 1) / (2 + 1) = 4.
    groups = np.array([0, 0] + [1] * 9)
    assert best_target_ranks(point.expand(2, -1), point.expand(11, -1), groups)[0] == 4


def test_best_of_several_right_targets_counts_and_the_other_right_ones_do_not_stand_in_its_way():
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    targets = normalize(torch.tensor([[1.0, 0.5], [1.0, 0.1], [1.0, 0.3], [0.1, 1.0]]), dim=1)
    assert best_target_ranks(queries, targets, [1, 0, 0, 1]).tolist() == [1, 1]
    assert best_target_ranks(queries, targets, [0, 1, 0, 1]).tolist() == [2, 1]


def test_one_right_target_each_is_the_same_question_both_ways():
    queries, targets = embeddings(20, 6, 3), embeddings(20, 6, 4)
    order = np.random.default_rng(0).permutation(20)
    assert (target_ranks(queries, targets, order) == best_target_ranks(queries, targets, np.argsort(order))).all()


def test_embeddings_that_are_not_finite_are_refused():
    queries = embeddings(3, 4, 0)
    queries[1, 2] = torch.nan
    with pytest.raises(EvaluationError, match="not finite"):
        target_ranks(queries, embeddings(3, 4, 1), [0, 1, 2])


def test_half_precision_is_ranked_in_single_precision():
    queries, targets = embeddings(10, 16, 0).bfloat16(), embeddings(10, 16, 1).bfloat16()
    right = np.arange(10)
    assert (target_ranks(queries, targets, right) == target_ranks(queries.float(), targets.float(), right)).all()


def test_recall_is_the_share_of_ranks_up_to_k():
    assert recall_at(np.array([1, 5, 6, 100]), 5) == 0.5


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000), st.booleans())
def test_one_pass_gives_the_ranks_of_both_ways(texts, more, seed, coarse):
    """Coarse embeddings have few different scores, so that ties of right and wrong targets are everywhere."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.concatenate([np.arange(texts), rng.integers(0, texts, more)]))
    images, targets = embeddings(len(group), 5, seed), embeddings(texts, 5, seed + 1)
    if coarse:
        images, targets = (torch.sign(one[:, :2]) / 2**0.5 for one in (images, targets))
    found = both_ways(images, targets, group)
    assert found.to_text.tolist() == target_ranks(images, targets, group).tolist()
    assert found.to_image.tolist() == best_target_ranks(targets, images, group).tolist()


def test_blocks_change_nothing_for_both_ways_and_in_order(monkeypatch):
    images, texts, group = embeddings(50, 8, 0), embeddings(30, 8, 1), np.arange(50) % 30
    whole, ordered = both_ways(images, texts, group), target_ranks_in_order(images, texts, group)
    monkeypatch.setattr(ranking, "CHUNK_SCORES", 70)
    parts = both_ways(images, texts, group)
    assert (parts.to_text == whole.to_text).all()
    assert (parts.to_image == whole.to_image).all()
    assert (target_ranks_in_order(images, texts, group) == ordered).all()


def test_in_order_a_tie_goes_to_the_target_that_is_listed_first():
    point = torch.ones(1, 1)
    ranks = target_ranks_in_order(point.expand(4, -1), point.expand(4, -1), [0, 1, 2, 3])
    assert ranks.tolist() == [1, 2, 3, 4]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000))
def test_in_order_is_the_place_in_a_stable_sort(n, m, seed):
    queries, targets = embeddings(n, 5, seed), embeddings(m, 5, seed + 1)
    right = np.random.default_rng(seed).integers(0, m, n)
    slow = [
        np.argsort(-(targets @ q).numpy(), kind="stable").tolist().index(r) + 1
        for q, r in zip(queries, right, strict=True)
    ]
    assert target_ranks_in_order(queries, targets, right).tolist() == slow


def test_both_ways_and_in_order_refuse_what_is_not_finite():
    spoiled = embeddings(3, 4, 0)
    spoiled[1, 2] = torch.nan
    for ranks in (both_ways, target_ranks_in_order):
        with pytest.raises(EvaluationError, match="not finite"):
            ranks(spoiled, embeddings(3, 4, 1), [0, 1, 2])
