"""InfoNCE by tiles is InfoNCE, with less memory."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode

from cxr_clip import losses
from cxr_clip.losses import info_nce, info_nce_at_once, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews
from cxr_clip.tiles import SIDE, info_nce_by_tiles

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def unit_rows(count: int, dim: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    rows = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return normalize(rows, dim=1)


def value_and_gradients(loss: Loss, x: Tensor, y: Tensor, scale: float) -> tuple[Tensor, ...]:
    leaves = (x.clone(), y.clone(), torch.tensor([scale], dtype=x.dtype))
    for leaf in leaves:
        leaf.requires_grad_()
    value = loss(*leaves)
    (3 * value).backward()
    return value.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)


def assert_equal(found: tuple[Tensor, ...], expected: tuple[Tensor, ...], **tolerance: float) -> None:
    assert len(found) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other, rtol=0, **tolerance)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [0.5, 14.0, 100.0])
@pytest.mark.parametrize(("count", "side"), [(1, 4), (7, 3), (12, 4), (33, 64), (50, 1)])
def test_value_and_gradients_are_those_of_the_whole_matrix(
    count: int, side: int, scale: float, smoothing: float
) -> None:
    x, y = unit_rows(count, 8, 0), unit_rows(count, 8, 1)
    found = value_and_gradients(
        lambda x, y, s: info_nce_by_tiles(x, y, s, label_smoothing=smoothing, side=side), x, y, scale
    )
    expected = value_and_gradients(lambda x, y, s: info_nce_at_once(x, y, s, label_smoothing=smoothing), x, y, scale)
    assert_equal(found, expected, atol=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    x, y = unit_rows(5, 3, 0).requires_grad_(), unit_rows(5, 3, 1).requires_grad_()
    scale = torch.tensor([5.0], dtype=torch.float64, requires_grad=True)

    def loss(x: Tensor, y: Tensor, scale: Tensor) -> Tensor:
        return info_nce_by_tiles(x, y, scale, label_smoothing=0.05, side=2)

    assert torch.autograd.gradcheck(loss, (x, y, scale))


def opposed(count: int) -> tuple[Tensor, Tensor]:
    """Images and texts of which every pair points away from each other, and no two alike."""
    middle = unit_rows(1, 16, 0)
    return tuple(normalize(sign * middle + 0.2 * unit_rows(count, 16, seed), dim=1) for sign, seed in ((1, 1), (-1, 2)))  # type: ignore[return-value]


def half_opposed(count: int) -> tuple[Tensor, Tensor]:
    """Half of the pairs are the same, half are opposite: sums of rows differ by e^200."""
    x = unit_rows(count, 16, 0)
    return x, torch.cat([x[: count // 2], -x[count // 2 :]])


def not_unit(count: int) -> tuple[Tensor, Tensor]:
    return 3 * unit_rows(count, 16, 0), 2 * unit_rows(count, 16, 1)


@pytest.mark.parametrize("views", [opposed, half_opposed, not_unit])
def test_single_precision_holds_whatever_the_similarities_are(
    views: Callable[[int], tuple[Tensor, Tensor]],
) -> None:
    x, y = views(20)
    expected = value_and_gradients(info_nce_at_once, x, y, 100.0)
    found = value_and_gradients(lambda x, y, s: info_nce_by_tiles(x, y, s, side=6), x.float(), y.float(), 100.0)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-4)


def test_what_is_not_finite_stays_not_finite() -> None:
    x, y = unit_rows(6, 4, 0), unit_rows(6, 4, 1)
    x[2, 1] = torch.nan
    assert not info_nce_by_tiles(x, y, torch.tensor(9.0), side=4).isfinite()
    assert not info_nce_by_tiles(y, y, torch.tensor(torch.nan), side=4).isfinite()


def test_large_batches_are_compared_by_tiles_also_under_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "WHOLE", 5)
    x, y, scale = unit_rows(6, 32, 0).bfloat16(), unit_rows(6, 32, 1).bfloat16(), torch.tensor([14.0])
    expected = info_nce_by_tiles(x.float(), y.float(), scale, label_smoothing=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = info_nce(x, y, scale, label_smoothing=0.1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_the_three_terms_are_the_same_by_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    leaves = [unit_rows(9, 6, seed).requires_grad_() for seed in range(4)]
    scale = torch.tensor([14.0], dtype=torch.float64, requires_grad=True)

    def gradients() -> tuple[Tensor, ...]:
        views = EmbeddedViews(images=(leaves[0], leaves[1]), texts=(leaves[2], leaves[3]))
        total = weighted_sum(study_contrast(views, scale, label_smoothing=0.1), losses.LossWeights())
        return torch.autograd.grad(total, [*leaves, scale])

    expected = gradients()
    monkeypatch.setattr(losses, "WHOLE", 8)
    for one, other in zip(gradients(), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


class LargestTensor(TorchDispatchMode):
    """Notes the size of the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor):
                self.numbers = max(self.numbers, value.untyped_storage().nbytes() // value.element_size())
        return result


def largest(count: int, form: Loss) -> int:
    x, y = unit_rows(count, 4, 0).requires_grad_(), unit_rows(count, 4, 1).requires_grad_()
    with LargestTensor() as seen:
        form(x, y, torch.tensor(9.0)).backward()
    return seen.numbers


def test_no_tensor_grows_with_the_square_of_the_batch() -> None:
    def by_tiles(x: Tensor, y: Tensor, scale: Tensor) -> Tensor:
        return info_nce_by_tiles(x, y, scale, side=16)

    assert largest(200, info_nce_at_once) == 200 * 200
    assert largest(200, by_tiles) == 200 * 4
    assert largest(400, by_tiles) == 400 * 4
    assert SIDE**2 * 4 < 20_000_000  # bytes of a tile
