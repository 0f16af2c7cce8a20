"""Running statistics of batch normalisation where a batch comes in chunks: they move once, and in one of two passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def keeping_statistics(model: nn.Module) -> Iterator[None]:
    """Within it, running statistics stay as they are while a training model is called."""
    with _momentum(model, lambda _share: 0.0):
        yield


@contextmanager
def moving_statistics_as_one(model: nn.Module, number: int, count: int) -> Iterator[None]:
    """Within it the model is called with chunk `number` (from 0) of `count`; after all, statistics have moved once.

    They have moved as far as one batch moves them, towards the mean of the chunks' statistics: the share m / count of
    each chunk in what remains is m / (count - left m), where `left` chunks follow.
    """
    left = count - 1 - number
    with _momentum(model, lambda share: share / (count - left * share), counts=left == 0):
        yield


@contextmanager
def _momentum(model: nn.Module, change: Callable[[float], float], *, counts: bool = False) -> Iterator[None]:
    """Change the momentum of every batch normalisation for a while; `counts`: that while is a batch to them."""
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    before = [(layer.momentum, _copy(layer.num_batches_tracked)) for layer in layers]
    for layer in layers:
        layer.momentum = change(_share_of_newest(layer))
    try:
        yield
    finally:
        for layer, (momentum, batches) in zip(layers, before, strict=True):
            layer.momentum = momentum
            if layer.num_batches_tracked is not None and batches is not None and not counts:
                layer.num_batches_tracked.copy_(batches)


def _share_of_newest(layer: _BatchNorm) -> float:
    """Without a momentum running statistics are means of all batches so far."""
    if layer.momentum is not None or layer.num_batches_tracked is None:
        return layer.momentum or 0.0
    return 1 / (float(layer.num_batches_tracked) + 1)


def _copy(batches: Tensor | None) -> Tensor | None:
    return None if batches is None else batches.clone()
