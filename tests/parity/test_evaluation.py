"""Figures of the published evaluator: zero-shot, prompt sets, retrieval, classifiers."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cxr_clip.directions import Direction, pair_scores
from cxr_clip.evaluate.decisions import accuracy, f1
from cxr_clip.evaluate.prompt_sets import best_similarities, class_accuracy, mean_similarities
from cxr_clip.metrics import auroc
from cxr_clip.ranking import merge_identical, recall_at, target_ranks

pytestmark = pytest.mark.shared
READS = {"eval_inputs.npz": ("*",), "eval_results.json": ("*",), "prompts.json": ("chexpert_class_prompts",)}
PAIRS = (
    ("zeroshot_binary_siim", "siim_image"),
    ("zeroshot_binary_vindr", "vindr_image"),
    ("zeroshot_binary_BioVIL_rsna", "rsna_image"),
)
SETS = (("mean", mean_similarities), ("max", best_similarities))
# For each class, the seeds of its prompts' recorded embeddings (CRC-32 of the prompt), in the order of the prompts; of
# the prompts of a fifth class, pleural effusion, the seeds are not known.
SEEDS = json.loads(Path(__file__).with_name("prompt_seeds.json").read_text())


@pytest.fixture(scope="module")
def inputs(golden):
    return golden.arrays("eval_inputs.npz")


@pytest.fixture(scope="module")
def published(golden):
    return golden.facts("eval_results.json")


def stub_text(seed):
    """The stand-in text encoder of the published numbers: a random direction seeded by the prompt."""
    values = np.random.RandomState(seed).randn(32)
    return torch.tensor(values / np.linalg.norm(values), dtype=torch.float32)


def rows(values):
    return normalize(torch.from_numpy(values), dim=1)


def assert_figures(golden, scores, answers, labels):
    """AUROC, accuracy and F1 of each finding and their means; `scores` and the rest are one column a finding."""
    result = golden["result"]
    for column, finding in enumerate(golden["classes"]):
        area = auroc(scores[:, column], labels[:, column])
        assert area == pytest.approx(result[finding]["AUROC"], abs=1e-12)
        assert accuracy(answers[:, column], labels[:, column]) == pytest.approx(result[finding]["Accuracy"], abs=1e-12)
        assert f1(answers[:, column], labels[:, column]) == pytest.approx(result[finding]["F1"], abs=1e-12)
    for figure in ("AUROC", "Accuracy", "F1"):
        mean = np.mean([result[finding][figure] for finding in golden["classes"]])
        assert mean == pytest.approx(result[f"{figure}(Avg)"], abs=1e-12)


@pytest.mark.parametrize(("case", "images"), PAIRS)
def test_zero_shot_by_a_pair_of_prompts(case, images, inputs, published):
    golden, embeddings = published[case], rows(inputs[images])
    scores, labels = [], []
    for finding, prompts in zip(golden["classes"], golden["prompts"], strict=True):
        negative, positive = (stub_text(zlib.crc32(prompt.encode())) for prompt in prompts)
        scores.append(pair_scores(embeddings, Direction(positive, negative)))
        labels.append([finding == said if isinstance(said, str) else finding in said for said in golden["labels"]])
    both = np.stack(scores, axis=1)
    assert_figures(golden, both, both > 0, np.array(labels).T)


@pytest.mark.parametrize(("which", "similarities"), SETS)
def test_similarities_with_sets_of_prompts(which, similarities, inputs, published, golden):
    classes, facts = published["zeroshot_gloria"]["classes"], golden.facts("prompts.json")["chexpert_class_prompts"]
    for column, name in enumerate(classes):
        if name not in SEEDS:
            continue
        assert (len(SEEDS[name]), len(set(SEEDS[name]))) == (facts[name]["total"], facts[name]["unique"])
        prompts = torch.stack([stub_text(seed) for seed in SEEDS[name]])
        ours = similarities(torch.from_numpy(inputs["gloria_image"]), [prompts])[:, 0]
        np.testing.assert_allclose(ours, inputs[f"gloria_{which}_similarity"][:, column], rtol=0, atol=1e-6)
    assert len(SEEDS.keys() & set(classes)) == 4


def test_the_mean_of_every_class_is_that_of_one_direction(inputs):
    # True of a mean cosine and of nothing else that is used: 250 equations for 32 unknowns.
    images, recorded = inputs["gloria_image"].astype(float), inputs["gloria_mean_similarity"]
    directions = np.linalg.lstsq(images, recorded, rcond=None)[0]
    np.testing.assert_allclose(images @ directions, recorded, rtol=0, atol=1e-6)


@pytest.mark.parametrize("which", ["mean", "max"])
def test_accuracy_by_sets_of_prompts(which, inputs, published):
    golden = published[f"zeroshot_gloria_{which}_alone"]
    result, numbers = golden["result"][f"{which}/1000000"], [golden["classes"].index(name) for name in golden["labels"]]
    found = class_accuracy(inputs[f"gloria_{which}_similarity"], numbers)
    assert found.by_class == pytest.approx([result[name] for name in golden["classes"]], abs=1e-12)
    assert found.macro == pytest.approx(result["Accuracy(Macro)"], abs=1e-12)
    assert found.micro == pytest.approx(result["Accuracy(Micro)"], abs=1e-12)


def test_the_published_evaluator_adds_the_second_strategy_to_the_first(published):
    # Its counts go on from one strategy to the next, so the second one's accuracy may be above 1. Ours has no counts.
    both = published["zeroshot_gloria"]["result"]
    mean, best = (
        published[f"zeroshot_gloria_{which}_alone"]["result"][f"{which}/1000000"] for which in ("mean", "max")
    )
    assert both["mean/1000000"] == mean
    for figure, value in both["max/1000000"].items():
        assert value == pytest.approx(mean[figure] + best[figure], abs=1e-12)


@pytest.mark.parametrize(("case", "key"), [("retrieval_duplicates", "retr"), ("retrieval_unique", "retr2")])
def test_retrieval_from_image_to_text_with_identical_texts_merged(case, key, inputs, published):
    images, texts = (rows(inputs[f"{key}_{what}"]) for what in ("image", "text"))
    golden, merged = published[case], merge_identical(published[case]["texts"])
    # Equal texts have unequal embeddings here, which no text encoder gives; the first one's count, as there.
    ranks = target_ranks(images, texts[merged.first], merged.group)
    for k in (1, 5, 10):
        assert recall_at(ranks, k) == pytest.approx(golden["result"][f"Recall@{k}"], abs=1e-12)
    assert ranks.mean() == pytest.approx(golden["result"]["MeanRank"], abs=1e-12)


@pytest.mark.parametrize(("case", "key"), [("multilabel_vindr", "ml"), ("multilabel_rsna", "ml1")])
def test_a_classifier_of_several_findings(case, key, inputs, published):
    scores = inputs[f"{key}_preds"]
    assert_figures(published[case], scores, scores > 0.5, inputs[f"{key}_labels"] == 1)


def test_a_classifier_of_one_class_of_several(inputs, published):
    golden = published["multiclass_5x200"]
    result, found = golden["result"], class_accuracy(inputs["mc_preds"], inputs["mc_labels"].argmax(axis=1))
    # Recorded in single precision.
    assert found.by_class == pytest.approx([result[name] for name in golden["classes"]], abs=1e-6)
    assert found.macro == pytest.approx(result["Accuracy(Macro)"], abs=1e-6)
    assert found.micro == pytest.approx(result["Accuracy(Micro)"], abs=1e-6)


def test_every_recorded_case_is_listed(published):
    sets = {"zeroshot_gloria", "zeroshot_gloria_mean_alone", "zeroshot_gloria_max_alone"}
    others = {"retrieval_duplicates", "retrieval_unique", "multilabel_vindr", "multilabel_rsna", "multiclass_5x200"}
    assert published.keys() == {case for case, _ in PAIRS} | sets | others
