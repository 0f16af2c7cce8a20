"""Retrieval figures by hand, and chance against shuffling."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cxr_clip.evaluate.retrieval import chance_of_rank, nearest_texts, retrieval_metrics, retrieval_text
from cxr_clip.evaluate.statistics import patient_bootstrap_weights
from cxr_clip.ranking import MergedTexts, merge_identical
from cxr_clip.study import Split, Study


def study(**sections):
    return Study("s", "p", "made-up", Split.TEST, (), sections)


def unit(count, seed=0):
    return normalize(torch.randn(count, 8, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_text_of_a_study_is_the_longer_of_findings_and_impression():
    assert retrieval_text(study(findings="Clear lungs.", impression="No acute disease.")) == "No acute disease."
    assert retrieval_text(study(findings="The lungs are clear.", impression="Normal.")) == "The lungs are clear."
    assert retrieval_text(study(findings="Same", impression="Long")) == "Same"


def test_other_sections_and_white_space_are_no_text():
    assert retrieval_text(study(indication="Chest pain for three days")) is None
    assert retrieval_text(study(findings="  ")) is None


def test_figures_by_hand_with_a_merged_text():
    # Images 0 and 2 share text 0; image 1 has text 1. Both images of text 0 rank it first, image 1 ranks its own last.
    images = normalize(torch.tensor([[1.0, 0.1], [1.0, 0.3], [1.0, 0.2]]), dim=1)
    texts = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    merged = merge_identical(["normal", "effusion", "normal"])
    metrics = retrieval_metrics(images, texts, merged, np.ones((2, 3), dtype=np.uint16))
    assert metrics["image_to_text/recall_at_1"].value == pytest.approx(2 / 3)
    assert metrics["image_to_text/recall_at_5"].value == 1
    assert metrics["image_to_text/mean_rank"].value == pytest.approx(4 / 3)
    assert metrics["image_to_text/median_rank"].value == 1
    assert metrics["image_to_text/recall_at_1_chance"].value == pytest.approx(1 / 2)
    assert metrics["text_to_image/recall_at_1"].value == 1
    assert metrics["text_to_image/recall_at_1_chance"].value == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert metrics["text_to_image/mean_rank_chance"].value == pytest.approx((4 / 3 + 2) / 2)
    assert metrics["image_to_text/mean_rank"].n == 3
    assert metrics["text_to_image/mean_rank"].n == 2


def test_chance_is_what_shuffling_gives():
    right, pool, rng = np.array([1, 3, 7, 1]), 20, np.random.default_rng(0)
    first = np.array([[np.sort(rng.permutation(pool)[:g])[0] + 1 for g in right] for _ in range(4000)]).ravel()
    within = chance_of_rank(right, pool)
    simulated = [(first <= k).mean() for k in range(1, pool + 1)]
    assert np.abs(within - simulated).max() < 0.015
    assert within[-1] == pytest.approx(1)


def test_one_right_target_has_closed_form_chance():
    assert chance_of_rank(np.ones(5, dtype=int), 40) == pytest.approx(np.arange(1, 41) / 40)
    merged = MergedTexts(first=np.arange(40), group=np.arange(40))
    metrics = retrieval_metrics(unit(40), unit(40, 1), merged, np.ones((2, 40), dtype=np.uint16))
    for direction in ("image_to_text", "text_to_image"):
        assert metrics[f"{direction}/recall_at_10_chance"].value == pytest.approx(0.25)
        assert metrics[f"{direction}/mean_rank_chance"].value == pytest.approx(20.5)
        assert metrics[f"{direction}/median_rank_chance"].value == 20


def test_recall_beyond_a_small_pool_is_certain():
    merged = MergedTexts(first=np.arange(3), group=np.arange(3))
    metrics = retrieval_metrics(unit(3), unit(3, 1), merged, np.ones((2, 3), dtype=np.uint16))
    assert metrics["image_to_text/recall_at_10"].value == metrics["image_to_text/recall_at_10_chance"].value == 1


def test_a_model_that_says_nothing_is_as_good_as_chance():
    merged = MergedTexts(first=np.arange(500), group=np.arange(500))
    metrics = retrieval_metrics(unit(500), unit(500, 1), merged, np.ones((2, 500), dtype=np.uint16))
    assert metrics["image_to_text/recall_at_10"].value == pytest.approx(0.02, abs=0.02)
    assert metrics["image_to_text/mean_rank"].value == pytest.approx(250.5, rel=0.1)


def test_intervals_follow_the_weights_of_the_queries():
    images, texts = torch.eye(4), torch.eye(4)[[0, 1, 3, 2]]
    merged = MergedTexts(first=np.arange(4), group=np.arange(4))
    weights = np.array([[4, 0, 0, 0], [0, 0, 4, 0]], dtype=np.uint16)
    recall = retrieval_metrics(images, texts, merged, weights)["image_to_text/recall_at_1"]
    assert (recall.value, recall.low, recall.high) == (0.5, pytest.approx(0.025), pytest.approx(0.975))


def test_no_hit_at_all_does_not_say_that_there_can_be_none():
    merged = MergedTexts(first=np.arange(20), group=np.arange(20))
    weights = patient_bootstrap_weights([str(i) for i in range(20)], 50, np.random.default_rng(0))
    metrics = retrieval_metrics(torch.eye(20), torch.eye(20).roll(1, 0), merged, weights)
    recall = metrics["image_to_text/recall_at_1"]
    assert (recall.value, recall.low, recall.high) == (0, 0, pytest.approx(0.161, abs=1e-3))


def test_nearest_texts_come_best_first_with_the_right_one_marked():
    found = nearest_texts(
        torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 1.0], [0.8, 0.6]]), ["a", "b"], right=0, count=5
    )
    assert [(one.text, one.right) for one in found] == [("b", False), ("a", True)]
    assert found[0].similarity == pytest.approx(0.8)
