"""Figures of the published evaluator, where its definitions and ours coincide."""

import json
import zlib

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cxr_clip.evaluate.metrics import auroc
from cxr_clip.evaluate.zero_shot import Direction, pair_scores
from cxr_clip.ranking import merge_identical, recall_at, target_ranks

pytestmark = pytest.mark.shared

CASES = (
    ("zeroshot_binary_siim", "siim_image"),
    ("zeroshot_binary_vindr", "vindr_image"),
    ("zeroshot_binary_BioVIL_rsna", "rsna_image"),
)


@pytest.fixture(scope="module")
def inputs(shared_folder):
    return np.load(shared_folder / "golden/eval_inputs.npz")


@pytest.fixture(scope="module")
def published(shared_folder):
    return json.loads((shared_folder / "golden/eval_results.json").read_text())


def stub_text(prompt):
    """The stand-in text encoder of the published numbers: a random direction seeded by the prompt."""
    values = np.random.RandomState(zlib.crc32(prompt.encode())).randn(32)
    return torch.tensor(values / np.linalg.norm(values), dtype=torch.float32)


@pytest.mark.parametrize(("case", "images"), CASES)
def test_zero_shot_auroc_of_a_pair_of_prompts(case, images, inputs, published):
    golden, embeddings, areas = published[case], normalize(torch.from_numpy(inputs[images]), dim=1), []
    for finding, (negative, positive) in zip(golden["classes"], golden["prompts"], strict=True):
        labels = [finding == said if isinstance(said, str) else finding in said for said in golden["labels"]]
        scores = pair_scores(embeddings, Direction(stub_text(positive), stub_text(negative)))
        areas.append(auroc(scores, labels))
        assert areas[-1] == pytest.approx(golden["result"][finding]["AUROC"], abs=1e-12)
    assert np.mean(areas) == pytest.approx(golden["result"]["AUROC(Avg)"], abs=1e-12)


@pytest.mark.parametrize(("case", "key"), [("retrieval_duplicates", "retr"), ("retrieval_unique", "retr2")])
def test_retrieval_from_image_to_text_with_identical_texts_merged(case, key, inputs, published):
    images, texts = (normalize(torch.from_numpy(inputs[f"{key}_{what}"]), dim=1) for what in ("image", "text"))
    golden, merged = published[case], merge_identical(published[case]["texts"])
    ranks = target_ranks(images, texts[merged.first], merged.group)
    for k in (1, 5, 10):
        assert recall_at(ranks, k) == pytest.approx(golden["result"][f"Recall@{k}"], abs=1e-12)
    assert ranks.mean() == pytest.approx(golden["result"]["MeanRank"], abs=1e-12)


def test_average_auroc_of_a_classifier(inputs, published):
    for classes, key in (("multilabel_vindr", "ml"), ("multilabel_rsna", "ml1")):
        golden, scores, labels = published[classes], inputs[f"{key}_preds"], inputs[f"{key}_labels"]
        for index, finding in enumerate(golden["classes"]):
            area = auroc(scores[:, index], labels[:, index] == 1)
            assert area == pytest.approx(golden["result"][finding]["AUROC"], abs=1e-12)
