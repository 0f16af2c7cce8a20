"""The term of hard negatives: a sentence of each image's text against the turned one."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from cxr_clip.losses import LossWeights, info_nce_at_once, statement_contrast, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews


def unit_rows(count: int, dim: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    rows = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return normalize(rows, dim=1)


def hard(count: int, dim: int, seed: int, absent: tuple[int, ...] = (1, 2)) -> tuple[Tensor, Tensor]:
    """A sentence of each study and the turned one; some studies have none."""
    pair = unit_rows(count, dim, seed), unit_rows(count, dim, seed + 1)
    for one in pair:
        one[list(absent)] = 0
    return pair


def slow(images: Tensor, stated: Tensor, turned: Tensor, scale: float) -> list[float]:
    """By the definition: a row of two for each study that has a pair."""
    losses = []
    for image, true, false in zip(images, stated, turned, strict=True):
        if false.abs().sum() > 0:
            row = torch.stack([scale * image @ true, scale * image @ false])
            losses.append(float(row.logsumexp(0) - row[0]))
    return losses


def test_equals_the_loop_over_the_definition() -> None:
    images, pair = unit_rows(5, 4, 0), hard(5, 4, 2)
    found = statement_contrast(images, *pair, torch.tensor([9.0], dtype=torch.float64))
    assert found.item() == pytest.approx(np.mean(slow(images, *pair, 9.0)), abs=1e-12)


def test_one_that_is_as_near_as_the_true_one_costs_log_two_in_any_batch() -> None:
    for count in (2, 50):
        images, texts = unit_rows(count, 4, 0), unit_rows(count, 4, 1)
        found = statement_contrast(images, texts, texts, torch.tensor([9.0], dtype=torch.float64))
        assert found.item() == pytest.approx(math.log(2), abs=1e-12)


def test_where_all_are_absent_the_term_and_its_gradients_are_0() -> None:
    images = unit_rows(5, 4, 0).requires_grad_()
    nothing = torch.zeros(5, 4, dtype=torch.float64)
    term = statement_contrast(images, nothing, nothing, torch.tensor([9.0], dtype=torch.float64))
    assert term.item() == 0
    assert torch.equal(torch.autograd.grad(term, images)[0], nothing)


def test_without_hard_negatives_not_a_bit_changes() -> None:
    views = EmbeddedViews(
        images=(unit_rows(6, 5, 0, torch.float32), unit_rows(6, 5, 1, torch.float32)),
        texts=(unit_rows(6, 5, 2, torch.float32), unit_rows(6, 5, 3, torch.float32)),
    )
    scale = torch.tensor([14.0])
    pairs = [info_nce_at_once(image, text, scale) for image in views.images for text in views.texts]
    terms = study_contrast(views, scale)
    assert torch.equal(terms.image_text, torch.stack(pairs).mean())
    assert terms.hard_negative is None


def test_it_is_the_mean_over_all_pairs_of_both_texts_and_both_images() -> None:
    images, texts = (unit_rows(5, 4, 0), unit_rows(5, 4, 1)), (unit_rows(5, 4, 2), unit_rows(5, 4, 3))
    of_first, of_second = hard(5, 4, 4), hard(5, 4, 6, absent=(0, 1, 3, 4))
    scale = torch.tensor([7.0], dtype=torch.float64)
    views = EmbeddedViews(images=images, texts=texts, hard_negatives=(*of_first, *of_second))
    terms, plain = study_contrast(views, scale), study_contrast(replace(views, hard_negatives=()), scale)
    expected = [loss for image in images for pair in (of_first, of_second) for loss in slow(image, *pair, 7.0)]
    assert terms.hard_negative is not None
    assert len(expected) == 2 * (3 + 1)
    assert terms.hard_negative.item() == pytest.approx(np.mean(expected), abs=1e-12)
    for name in ("image_text", "image_image", "text_text"):
        assert torch.equal(getattr(terms, name), getattr(plain, name))
    weights = LossWeights(hard_negative=3.0)
    added = weighted_sum(terms, weights) - weighted_sum(plain, weights)
    assert added.item() == pytest.approx(3 * terms.hard_negative.item(), abs=1e-12)


def test_half_precision_is_taken_to_single() -> None:
    images, stated, turned = (unit_rows(4, 6, seed, torch.float32).bfloat16() for seed in (0, 1, 2))
    scale = torch.tensor([50.0])
    with torch.autocast("cpu", torch.bfloat16):
        found = statement_contrast(images, stated, turned, scale)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, statement_contrast(images.float(), stated.float(), turned.float(), scale))
