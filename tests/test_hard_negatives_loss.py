"""Hard negatives in the loss: further columns of the softmax from image to text, in every form that the loss has."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from cxr_clip.losses import info_nce, info_nce_at_once, log_sum_of_hard_negatives, study_contrast
from cxr_clip.tensors import EmbeddedViews
from cxr_clip.tiles import info_nce_by_tiles


def unit_rows(count: int, dim: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    rows = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return normalize(rows, dim=1)


def hard(count: int, dim: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two hard negatives of each study; study 1 lacks the second, study 2 both."""
    first, second = unit_rows(count, dim, seed), unit_rows(count, dim, seed + 1)
    first[2] = 0
    second[1:3] = 0
    return first, second


def slow(images: Tensor, texts: Tensor, turned: tuple[Tensor, ...], scale: float) -> float:
    """By the definition: a longer row for each image, the plain column for each text."""
    count, total = len(images), 0.0
    for i in range(count):
        own = [one[i] for one in turned if one[i].abs().sum() > 0]
        row = torch.stack([scale * images[i] @ text for text in (*texts, *own)])
        column = torch.stack([scale * image @ texts[i] for image in images])
        total += float(row.logsumexp(0) - row[i] + column.logsumexp(0) - column[i]) / 2
    return total / count


def test_equals_the_loop_over_the_definition() -> None:
    images, texts, turned = unit_rows(5, 4, 0), unit_rows(5, 4, 1), hard(5, 4, 2)
    scale = torch.tensor([9.0], dtype=torch.float64)
    further = log_sum_of_hard_negatives(images, turned, scale)
    assert info_nce(images, texts, scale, further=further).item() == pytest.approx(
        slow(images, texts, turned, 9.0), abs=1e-12
    )


def test_absent_ones_leave_the_loss_and_its_gradients_alone() -> None:
    images, texts = unit_rows(5, 4, 0).requires_grad_(), unit_rows(5, 4, 1)
    scale, nothing = torch.tensor([9.0], dtype=torch.float64), torch.zeros(5, 4, dtype=torch.float64)
    plain = info_nce(images, texts, scale)
    with_absent = info_nce(images, texts, scale, further=log_sum_of_hard_negatives(images, (nothing,), scale))
    assert with_absent.item() == plain.item()
    gradients = [torch.autograd.grad(loss, images)[0] for loss in (plain, with_absent)]
    assert torch.equal(*gradients)


def test_without_hard_negatives_not_a_bit_changes() -> None:
    views = EmbeddedViews(
        images=(unit_rows(6, 5, 0, torch.float32), unit_rows(6, 5, 1, torch.float32)),
        texts=(unit_rows(6, 5, 2, torch.float32), unit_rows(6, 5, 3, torch.float32)),
    )
    scale = torch.tensor([14.0])
    pairs = [info_nce_at_once(image, text, scale) for image in views.images for text in views.texts]
    assert torch.equal(study_contrast(views, scale).image_text, torch.stack(pairs).mean())


def test_each_text_brings_its_own_to_both_images() -> None:
    images, texts = (unit_rows(5, 4, 0), unit_rows(5, 4, 1)), (unit_rows(5, 4, 2), unit_rows(5, 4, 3))
    of_first, of_second = hard(5, 4, 4), hard(5, 4, 6)
    scale = torch.tensor([7.0], dtype=torch.float64)
    views = EmbeddedViews(images=images, texts=texts, hard_negatives=(*of_first, *of_second))
    terms, plain = study_contrast(views, scale), study_contrast(replace(views, hard_negatives=()), scale)
    expected = [slow(v, u, own, 7.0) for v in images for u, own in zip(texts, (of_first, of_second), strict=True)]
    assert terms.image_text.item() == pytest.approx(sum(expected) / 4, abs=1e-12)
    assert torch.equal(terms.image_image, plain.image_image)
    assert torch.equal(terms.text_text, plain.text_text)


@pytest.mark.parametrize("scale", [3.0, 100.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("side", [3, 64])
def test_tiles_give_the_value_and_gradients_of_the_whole_matrix(side: int, smoothing: float, scale: float) -> None:
    found = []
    for form in (info_nce_at_once, info_nce_by_tiles):
        leaves = [unit_rows(11, 6, seed).requires_grad_() for seed in range(3)]
        temperature = torch.tensor([scale], dtype=torch.float64, requires_grad=True)
        images, texts, turned = leaves
        further = log_sum_of_hard_negatives(images, (turned, *hard(11, 6, 7)), temperature)
        tiles = {} if form is info_nce_at_once else {"side": side}
        loss = form(images, texts, temperature, label_smoothing=smoothing, further=further, **tiles)
        (3 * loss).backward()
        found.append((loss.detach(), temperature.grad, *(leaf.grad for leaf in leaves)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


def test_tiles_hold_hard_negatives_above_every_text_in_single_precision() -> None:
    images, texts = unit_rows(7, 6, 0, torch.float32), -unit_rows(7, 6, 0, torch.float32)
    scale = torch.tensor([100.0])
    further = log_sum_of_hard_negatives(images, (images,), scale)
    expected = info_nce_at_once(images, texts, scale, further=further)
    torch.testing.assert_close(info_nce_by_tiles(images, texts, scale, further=further), expected)


def test_half_precision_is_taken_to_single() -> None:
    images, turned = (unit_rows(4, 6, seed, torch.float32).bfloat16() for seed in (0, 1))
    with torch.autocast("cpu", torch.bfloat16):
        found = log_sum_of_hard_negatives(images, (turned,), torch.tensor([50.0]))
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, 50 * (images.float() * turned.float()).sum(dim=1))
