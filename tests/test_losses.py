"""The losses against closed forms, a slow loop, and their own symmetries."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cxr_clip.losses import LossWeights, info_nce, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews


def unit_rows(count: int, dim: int, seed: int) -> Tensor:
    rows = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1)


def random_views(count: int = 6, dim: int = 5) -> EmbeddedViews:
    v, v2, u, u2 = (unit_rows(count, dim, seed) for seed in range(4))
    return EmbeddedViews(images=(v, v2), texts=(u, u2))


def slow_info_nce(x: Tensor, y: Tensor, scale: float) -> float:
    """Read off the definition, one study at a time."""
    total = 0.0
    for i in range(len(x)):
        own = scale * float(x[i] @ y[i])
        row = sum(math.exp(scale * float(x[i] @ y[j])) for j in range(len(y)))
        column = sum(math.exp(scale * float(x[j] @ y[i])) for j in range(len(x)))
        total += (math.log(row) - own) / 2 + (math.log(column) - own) / 2
    return total / len(x)


def slow_smoothed_info_nce(x: Tensor, y: Tensor, scale: float, smoothing: float) -> float:
    """Cross-entropy against targets of which `smoothing` is spread evenly over all studies."""
    count = len(x)
    targets = (1 - smoothing) * torch.eye(count, dtype=torch.float64) + smoothing / count
    logits = scale * x @ y.T
    rows = -(targets * logits.log_softmax(dim=1)).sum(1).mean()
    columns = -(targets * logits.log_softmax(dim=0)).sum(0).mean()
    return float(rows + columns) / 2


def test_identical_orthogonal_embeddings_have_the_closed_form() -> None:
    count, scale = 4, 3.0
    basis = torch.eye(count, dtype=torch.float64)
    expected = math.log(1 + (count - 1) * math.exp(-scale))
    torch.testing.assert_close(info_nce(basis, basis, torch.tensor(scale)).item(), expected)


def test_embeddings_that_tell_nothing_cost_the_logarithm_of_the_batch() -> None:
    same = unit_rows(1, 8, seed=0).repeat(10, 1)
    assert info_nce(same, same, torch.tensor([14.0])).item() == pytest.approx(math.log(10))


def test_a_single_study_costs_nothing() -> None:
    assert info_nce(unit_rows(1, 8, 0), unit_rows(1, 8, 1), torch.tensor(14.0)).item() == 0.0


def test_equals_the_loop_over_the_definition() -> None:
    x, y = unit_rows(7, 5, 0), unit_rows(7, 5, 1)
    assert info_nce(x, y, torch.tensor(9.0)).item() == pytest.approx(slow_info_nce(x, y, 9.0), abs=1e-12)


def test_smoothing_equals_cross_entropy_against_smoothed_targets() -> None:
    x, y = unit_rows(6, 5, 0), unit_rows(6, 5, 1)
    ours = info_nce(x, y, torch.tensor(9.0), label_smoothing=0.2).item()
    assert ours == pytest.approx(slow_smoothed_info_nce(x, y, 9.0, 0.2), abs=1e-12)


def test_info_nce_is_symmetric_in_its_two_sides() -> None:
    x, y, scale = unit_rows(7, 5, 0), unit_rows(7, 5, 1), torch.tensor(9.0)
    torch.testing.assert_close(info_nce(x, y, scale), info_nce(y, x, scale), rtol=0, atol=1e-14)


def test_each_term_is_the_mean_over_its_pairs() -> None:
    views, scale = random_views(), torch.tensor([7.0], dtype=torch.float64)
    terms = study_contrast(views, scale)
    pairs = [slow_info_nce(image, text, 7.0) for image in views.images for text in views.texts]
    assert terms.image_text.item() == pytest.approx(sum(pairs) / 4, abs=1e-12)
    assert terms.image_image is not None
    assert terms.image_image.item() == pytest.approx(slow_info_nce(*views.images, 7.0), abs=1e-12)
    assert terms.text_text is not None
    assert terms.text_text.item() == pytest.approx(slow_info_nce(*views.texts, 7.0), abs=1e-12)


def test_the_order_of_the_studies_does_not_matter() -> None:
    views, scale, weights = random_views(), torch.tensor(7.0), LossWeights()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    shuffled = EmbeddedViews(images=tuple(v[order] for v in views.images), texts=tuple(u[order] for u in views.texts))
    first = weighted_sum(study_contrast(views, scale), weights)
    second = weighted_sum(study_contrast(shuffled, scale), weights)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-13)


def test_exchanging_the_two_images_or_the_two_texts_does_not_matter() -> None:
    views, scale, weights = random_views(), torch.tensor(7.0), LossWeights()
    exchanged = EmbeddedViews(images=views.images[::-1], texts=views.texts[::-1])
    first = weighted_sum(study_contrast(views, scale), weights)
    second = weighted_sum(study_contrast(exchanged, scale), weights)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-13)


def test_one_image_and_one_text_are_plain_clip() -> None:
    views, scale = random_views(), torch.tensor(7.0)
    single = EmbeddedViews(images=views.images[:1], texts=views.texts[:1])
    terms = study_contrast(single, scale)
    assert terms.image_image is None
    assert terms.text_text is None
    total = weighted_sum(terms, LossWeights())
    assert total.item() == pytest.approx(slow_info_nce(views.images[0], views.texts[0], 7.0), abs=1e-12)


def test_the_total_weighs_the_terms() -> None:
    terms = study_contrast(random_views(), torch.tensor(7.0))
    assert terms.image_image is not None
    assert terms.text_text is not None
    expected = 2 * terms.image_text + 3 * terms.image_image + 5 * terms.text_text
    torch.testing.assert_close(weighted_sum(terms, LossWeights(2, 3, 5)), expected)
    torch.testing.assert_close(
        weighted_sum(terms, replace(LossWeights(2), image_image=0, text_text=0)).item(), 2 * terms.image_text.item()
    )


def test_smoothing_acts_on_the_image_text_term_only() -> None:
    views, scale = random_views(), torch.tensor(7.0)
    plain, smoothed = study_contrast(views, scale), study_contrast(views, scale, label_smoothing=0.1)
    assert smoothed.image_text > plain.image_text
    assert smoothed.image_image == plain.image_image
    assert smoothed.text_text == plain.text_text


def test_gradients_are_those_of_finite_differences() -> None:
    leaves = [unit_rows(4, 3, seed).requires_grad_() for seed in range(4)]
    scale = torch.tensor([5.0], dtype=torch.float64, requires_grad=True)

    def total(v: Tensor, v2: Tensor, u: Tensor, u2: Tensor, s: Tensor) -> Tensor:
        views = EmbeddedViews(images=(v, v2), texts=(u, u2))
        return weighted_sum(study_contrast(views, s, label_smoothing=0.05), LossWeights())

    assert torch.autograd.gradcheck(total, (*leaves, scale))


def test_bfloat16_embeddings_are_compared_in_float32_also_under_autocast() -> None:
    x, y, scale = unit_rows(6, 32, 0).bfloat16(), unit_rows(6, 32, 1).bfloat16(), torch.tensor([14.0])
    expected = info_nce(x.float(), y.float(), scale)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside, upcast = info_nce(x, y, scale), info_nce(x.float(), y.float(), scale)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, expected, rtol=0, atol=0)
    torch.testing.assert_close(upcast, expected, rtol=0, atol=0)
