"""Batch normalisation: running statistics that remember, and statistics over the rows of all workers.

Transformers' MobileNet V1 and V2 hand TensorFlow's decay (0.9997, 0.997) to torch, where momentum is the share of the
newest batch: after a step, evaluation would normalise with the statistics of that one batch.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from cxr_clip.distributed import Workers, gather, summed

MOMENTUM = 0.1  # torch's own default; ResNet trains with it


def remember_batches(backbone: nn.Module) -> None:
    """Give batch normalisation that forgets more than half at each step torch's default momentum."""
    for module in backbone.modules():
        if isinstance(module, _BatchNorm) and module.momentum is not None and module.momentum > 0.5:
            module.momentum = MOMENTUM


def batch_norm_names(model: nn.Module) -> list[str]:
    """The dotted names of all layers of batch normalisation."""
    return [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]


def synchronise(model: nn.Module, workers: Workers, *, device: str) -> None:
    """Let every batch normalisation inside `model` take its statistics over the rows of all workers.

    On GPUs by torch's own layer, whose kernels are fused; that one refuses a CPU.
    """
    for name in batch_norm_names(model):
        parent, _, last = name.rpartition(".")
        layer = model.get_submodule(name)
        assert isinstance(layer, _BatchNorm)
        if device.startswith("cuda"):
            whole: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(layer)  # type: ignore[no-untyped-call]
        else:
            whole = WholeBatchNorm(layer, workers)
        setattr(model.get_submodule(parent), last, whole)


@dataclass(frozen=True, eq=False)
class _Whole:
    """Mean and variance of each channel over the `count` values of all workers; `epsilon` is added to the variance."""

    mean: Float[Tensor, "channels"]
    variance: Float[Tensor, "channels"]
    count: Float[Tensor, ""]
    epsilon: float


class WholeBatchNorm(_BatchNorm):
    """A layer of batch normalisation, taken over with its weights, whose statistics are those of all workers' rows.

    Each worker's mean and variance are gathered and joined (Chan, Golub and LeVeque 1979), which in single precision
    does not lose what a sum of squares would.
    """

    def __init__(self, layer: _BatchNorm, workers: Workers) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        self.weight, self.bias = layer.weight, layer.bias
        self.running_mean, self.running_var = layer.running_mean, layer.running_var
        self.num_batches_tracked = layer.num_batches_tracked
        self.workers = workers
        self.train(layer.training)

    def forward(self, input: Float[Tensor, "batch channels *place"]) -> Float[Tensor, "batch channels *place"]:  # noqa: A002
        """Return the normalised input, in its own precision.

        Raises ValueError in training where all workers together have one value per channel.
        """
        if not self.training:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            precise = input.to(torch.promote_types(input.dtype, torch.float32))
            whole = self._statistics(precise.detach())
            self._remember(whole)
            normalised: Tensor = _Normalise.apply(  # type: ignore[no-untyped-call]
                precise, self.weight, self.bias, whole, self.workers
            )
            return normalised.to(input.dtype)

    @torch.no_grad()
    def _statistics(self, rows: Float[Tensor, "batch channels *place"]) -> _Whole:
        mean, variance = torch.batch_norm_update_stats(rows, None, None, 0.0)
        values = rows.new_full((1,), rows.numel() / rows.shape[1])
        everyone = gather(torch.cat((mean, variance, values))[None], self.workers, rows=(1,) * self.workers.count)
        means, variances, counts = torch.split(everyone, [len(mean), len(mean), 1], dim=1)
        if counts.sum() <= 1:
            raise ValueError(
                "batch normalisation has one value per channel to take its statistics over all workers "
                f"(here {tuple(rows.shape)}): give a larger batch, or larger pictures"
            )
        shares = counts / counts.sum()
        whole_mean = (shares * means).sum(dim=0)
        whole_variance = (shares * (variances + (means - whole_mean).square())).sum(dim=0)
        return _Whole(whole_mean, whole_variance, counts.sum(), self.eps)

    @torch.no_grad()
    def _remember(self, whole: _Whole) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        newest = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        unbiased = whole.variance * whole.count / (whole.count - 1)
        self.running_mean.lerp_(whole.mean.to(self.running_mean.dtype), newest)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), newest)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        """Any number of places, as the layer that was taken over has checked its own."""


class _Normalise(torch.autograd.Function):
    """Rows normalised by the statistics of all workers' rows.

    Forward it is torch's own layer in evaluation. Backward it is that layer's gradient, and on top what comes through
    the mean and the variance (Ioffe and Szegedy 2015), for which sums over rows are added up over workers; these have
    no gradient of their own, so that a second derivative is refused.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rows: Float[Tensor, "batch channels *place"],
        weight: Float[Tensor, "channels"] | None,
        bias: Float[Tensor, "channels"] | None,
        whole: _Whole,
        workers: Workers,
    ) -> Float[Tensor, "batch channels *place"]:
        ctx.save_for_backward(rows, weight)
        ctx.whole, ctx.workers = whole, workers
        return functional.batch_norm(rows, whole.mean, whole.variance, weight, bias, training=False, eps=whole.epsilon)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, gradient: Float[Tensor, "batch channels *place"]
    ) -> tuple[
        Float[Tensor, "batch channels *place"],
        Float[Tensor, "channels"] | None,
        Float[Tensor, "channels"] | None,
        None,
        None,
    ]:
        (rows, weight), whole = ctx.saved_tensors, ctx.whole
        of_rows, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, rows, weight, whole.mean, whole.variance, None, None, False, whole.epsilon, [True, True, True]
        )
        through_mean, through_spread = summed(torch.stack((of_bias, of_weight)), ctx.workers) / whole.count
        factor = (whole.variance + whole.epsilon).rsqrt()
        scale = factor if weight is None else factor * weight
        slope, level = -scale * factor * through_spread, scale * through_mean
        # Rows less their mean first: far from zero, slope x rows and slope x mean would cancel with a larger rounding.
        centred = rows - _by_channel(whole.mean, rows)
        of_rows.addcmul_(centred, _by_channel(slope, rows)).sub_(_by_channel(level, rows))
        if weight is None:
            return of_rows, None, None, None, None
        return of_rows, of_weight, of_bias, None, None


def _by_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.view(1, -1, *(1,) * (like.ndim - 2))
