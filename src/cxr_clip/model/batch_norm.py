"""Batch normalisation: running statistics that remember, and statistics over the rows of all workers.

Transformers' MobileNet V1 and V2 hand TensorFlow's decay (0.9997, 0.997) to torch, where momentum is the share of the
newest batch: after a step, evaluation would normalise with the statistics of that one batch.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cxr_clip.distributed import Workers, gather

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


class WholeBatchNorm(_BatchNorm):
    """A layer of batch normalisation, taken over with its weights, whose statistics are those of all workers' rows.

    Each worker's mean and variance are gathered with their gradients and joined (Chan, Golub and LeVeque 1979), which
    in single precision does not lose what a sum of squares would.
    """

    def __init__(self, layer: _BatchNorm, workers: Workers) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        self.weight, self.bias = layer.weight, layer.bias
        self.running_mean, self.running_var = layer.running_mean, layer.running_var
        self.num_batches_tracked = layer.num_batches_tracked
        self.workers = workers
        self.train(layer.training)

    def forward(self, input: Float[Tensor, "batch channels *place"]) -> Float[Tensor, "batch channels *place"]:  # noqa: A002
        """Return the normalised input, in its own precision."""
        if not self.training:
            return super().forward(input)
        with torch.autocast(input.device.type, enabled=False):
            precise = input.to(torch.promote_types(input.dtype, torch.float32))
            mean, variance, count = self._statistics(precise)
            self._remember(mean.detach(), variance.detach(), count)
            factor = (variance + self.eps).rsqrt()
            centred = precise - _by_channel(mean, input)
            if not self.affine:
                return (centred * _by_channel(factor, input)).to(input.dtype)
            scaled = torch.addcmul(_by_channel(self.bias, input), centred, _by_channel(factor * self.weight, input))
            return scaled.to(input.dtype)

    def _statistics(self, rows: Float[Tensor, "batch channels *place"]) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance of each channel, and of how many values."""
        own = [axis for axis in range(rows.ndim) if axis != 1]
        variance, mean = torch.var_mean(rows, dim=own, correction=0)
        values = rows.new_full((1,), rows.numel() / rows.shape[1])
        everyone = gather(torch.cat((mean, variance, values))[None], self.workers, rows=(1,) * self.workers.count)
        means, variances, counts = torch.split(everyone, [len(mean), len(mean), 1], dim=1)
        shares = counts.detach() / counts.detach().sum()
        whole_mean = (shares * means).sum(dim=0)
        whole_variance = (shares * (variances + (means - whole_mean).square())).sum(dim=0)
        return whole_mean, whole_variance, counts.detach().sum()

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        newest = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), newest)
        self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var.dtype), newest)

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002
        """Any number of places, as the layer that was taken over has checked its own."""


def _by_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.view(1, -1, *(1,) * (like.ndim - 2))
