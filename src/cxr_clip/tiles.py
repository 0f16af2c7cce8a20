"""InfoNCE by tiles of its similarity matrix: memory that grows with the batch, not with its square.

The matrix of N studies is never there as a whole. One pass over its tiles adds up the exponentials of every row and
every column, a second one makes each tile again for the gradient; both directions of the loss use the same tile.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

# 16 MB of float32: matrix products of this size run at full speed and the passes over a tile stay in a CPU's cache.
SIDE = 2048

# Single precision holds e^-87 to e^88. With similarities shifted to at most 60, sums over a billion studies fit; with
# every own pair at -60 or above, what a row or column loses below -87 is less than 1e-11 of each of its sums.
HIGHEST, LOWEST = 60.0, -60.0


def info_nce_by_tiles(
    x: Float[Tensor, "batch dim"],
    y: Float[Tensor, "batch dim"],
    scale: Float[Tensor, "*one"],
    *,
    label_smoothing: float = 0.0,
    side: int = SIDE,
) -> Float[Tensor, ""]:
    """Return what `losses.info_nce` returns, of float32 or float64 embeddings; only its first derivatives exist.

    No running maximum is needed: |x y| bounds every similarity from above, and the own pair is in the sum of its row
    and of its column. Where the two are too far apart for single precision (a large scale, and own pairs that point
    away from each other), the tiles are in double precision.
    """
    with torch.no_grad():
        own = scale * (x * y).sum(dim=1)
        highest = float(scale.abs().max() * x.norm(dim=1).max() * y.norm(dim=1).max())
    shift = max(0.0, highest - HIGHEST)
    wide = float(own.min()) - shift < LOWEST
    dtype = torch.float64 if wide else x.dtype
    loss: Tensor = _InfoNCE.apply(x.to(dtype), y.to(dtype), scale.to(dtype), shift, label_smoothing, side)  # type: ignore[no-untyped-call]
    return loss.to(x.dtype)


class _InfoNCE(torch.autograd.Function):
    """The loss and its gradient; the sums of exponentials are kept from one to the other."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, scale: Tensor, shift: float, smoothing: float, side: int
    ) -> Float[Tensor, ""]:
        count = len(x)
        rows, columns = x.new_zeros(count), x.new_zeros(count)
        tile = _Tile(x, y, scale, shift=shift, side=side)
        for across in tile.spans:
            for down in tile.spans:
                values = tile(across, down)
                rows[across] += values.sum(dim=1)
                columns[down] += values.sum(dim=0)
        ctx.save_for_backward(x, y, scale, rows, columns)
        ctx.shift, ctx.smoothing, ctx.side = shift, smoothing, side
        sums = (rows.log().mean() + columns.log().mean()) / 2 + shift
        return sums - scale.reshape(()) * _target(x, y, smoothing)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        x, y, scale, rows, columns = ctx.saved_tensors
        count, smoothing = len(x), ctx.smoothing
        by_rows, by_columns = 1 / rows, 1 / columns
        to_x, to_y = torch.zeros_like(x), torch.zeros_like(y)
        tile = _Tile(x, y, scale, shift=ctx.shift, side=ctx.side)
        weights = torch.empty_like(tile.memory)
        for across in tile.spans:
            for down in tile.spans:
                values = tile(across, down)
                both = weights[: values.numel()].view_as(values)
                values *= torch.add(by_rows[across, None], by_columns[down], out=both)
                to_x[across].addmm_(values, y[down])
                to_y[down].addmm_(values.T, x[across])
        for gradient, other in ((to_x, y), (to_y, x)):
            # The derivative of `_target`, by either side.
            gradient.div_(2).sub_(other, alpha=1 - smoothing).sub_(other.mean(dim=0), alpha=smoothing)
            gradient.mul_(outer / count)
        to_scale = (to_x * x).sum().reshape(scale.shape)
        return to_x.mul_(scale), to_y.mul_(scale), to_scale, None, None, None


class _Tile:
    """Exponentials of shifted similarities, one tile at a time in the same memory."""

    def __init__(self, x: Tensor, y: Tensor, scale: Tensor, *, shift: float, side: int) -> None:
        self._x, self._y, self._scale, self._shift = x, y, float(scale), shift
        count = len(x)
        side = math.ceil(count / math.ceil(count / side))
        self.spans = [slice(start, min(start + side, count)) for start in range(0, count, side)]
        self.memory = x.new_empty(side * side)

    def __call__(self, across: slice, down: slice) -> Float[Tensor, "rows columns"]:
        x, y = self._x[across], self._y[down]
        values = self.memory[: len(x) * len(y)].view(len(x), len(y))
        torch.addmm(values, x, y.T, beta=0, alpha=self._scale, out=values)
        if self._shift:
            values -= self._shift
        return values.exp_()


def _target(x: Tensor, y: Tensor, smoothing: float) -> Float[Tensor, ""]:
    """The mean similarity that the cross-entropies reward: of own pairs, and of all pairs to the share `smoothing`."""
    own = (x * y).sum(dim=1).mean()
    return (1 - smoothing) * own + smoothing * (x.mean(dim=0) @ y.mean(dim=0))
