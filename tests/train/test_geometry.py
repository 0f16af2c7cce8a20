"""Figures of embeddings on the sphere agree with closed forms, and with slow versions over all pairs."""

import itertools
import math

import pytest
import torch
from torch.nn.functional import normalize

from cxr_clip.losses import LossWeights, study_contrast
from cxr_clip.tensors import EmbeddedViews
from cxr_clip.train.geometry import alignment, centroid_gap, effective_rank, mean_cosine, pulls, uniformity


def unit(rows: int, dim: int, seed: int) -> torch.Tensor:
    return normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


def test_figures_of_a_cloud_are_those_over_all_pairs() -> None:
    x = unit(7, 5, 0)
    pairs = list(itertools.permutations(range(7), 2))
    assert mean_cosine(x) == pytest.approx(sum(float(x[i] @ x[j]) for i, j in pairs) / 42)
    potential = [math.exp(-2 * float((x[i] - x[j]).square().sum())) for i, j in pairs]
    assert uniformity(x) == pytest.approx(math.log(sum(potential) / 42))


def test_one_point_and_right_angles_have_their_closed_forms() -> None:
    point, axes = unit(1, 6, 1).expand(6, 6), torch.eye(6, dtype=torch.float64)
    assert (mean_cosine(point), uniformity(point), effective_rank(point)) == pytest.approx((1, 0, 1))
    assert (mean_cosine(axes), uniformity(axes), effective_rank(axes)) == pytest.approx((0, -4, 6))
    assert effective_rank(torch.eye(2, 6, dtype=torch.float64).repeat(3, 1)) == pytest.approx(2)
    assert (alignment(point, -point), alignment(axes, axes)) == pytest.approx((4, 0))
    assert (centroid_gap(point, -point), centroid_gap(axes, axes.flip(0))) == pytest.approx((2, 0))


@pytest.mark.parametrize("weights", [LossWeights(), LossWeights(image_text=2.0, image_image=0.0, text_text=3.0)])
def test_a_pull_is_what_reaches_the_features_before_they_get_unit_length(weights: LossWeights) -> None:
    # Features of length 1: the gradient on them is the gradient along the sphere.
    features = [unit(6, 4, seed).requires_grad_() for seed in range(4)]
    views = [normalize(one, dim=1) for one in features]
    embedded = EmbeddedViews(images=(views[0], views[1]), texts=(views[2], views[3]))
    scale = torch.tensor([9.0], dtype=torch.float64)
    found = pulls(embedded, scale, weights)
    terms = study_contrast(embedded, scale)
    for name in ("image_text", "image_image", "text_text"):
        gradients = torch.autograd.grad(getattr(terms, name), features, retain_graph=True, allow_unused=True)
        for pull, rows in zip(found, (gradients[:2], gradients[2:]), strict=True):
            squares = [float(one.square().sum()) for one in rows if one is not None]
            assert getattr(pull, name) == pytest.approx(getattr(weights, name) * math.sqrt(sum(squares)), abs=1e-12)
    own = weights.image_image and found[0].image_image / (found[0].image_text + found[0].image_image)
    assert found[0].own_share == pytest.approx(own)


def test_one_image_and_one_text_pull_at_each_other_only() -> None:
    images, texts = pulls(EmbeddedViews((unit(6, 4, 0),), (unit(6, 4, 1),)), torch.tensor([9.0]), LossWeights())
    assert images.image_text > 0
    assert (images.image_image, texts.text_text, images.own_share) == (0, 0, 0)
