"""Gradient checkpointing: blocks whose activations are dropped in the forward pass and computed again in the backward.

What is kept between the passes is each block's input; the price is a second forward pass. The gradients are the same
ones: dropout is drawn again from the same random state, and the running statistics of batch normalisation move in the
first pass only. In evaluation mode and without gradients nothing changes.

Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost".
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from cxr_clip.model.blocks import blocks_of
from cxr_clip.model.image_encoder import ImageEncoder
from cxr_clip.model.text_encoder import TextEncoder


def compute_again(tower: ImageEncoder | TextEncoder) -> None:
    """Give a tower gradient checkpointing: its stem or embeddings and each of its layers, within stages too.

    Raises RecipeError for a backbone whose blocks are not known.
    """
    parts = blocks_of(tower.backbone)
    for block in (*parts.before, *parts.blocks):
        for part in _layers(block):
            # A class of its own keeps names, hooks and copies of the module as they are, which a wrapper would not.
            kind: Any = type(part)
            part.__class__ = _computed_again(kind)


def _layers(block: nn.Module) -> Iterator[nn.Module]:
    """The layers that a stage lists, and what stands beside the list; a block without a list is one layer."""
    children = [child for child in block.children() if next(child.parameters(), None) is not None]
    if not any(isinstance(child, nn.ModuleList | nn.Sequential) for child in children):
        yield block
        return
    for child in children:
        yield from child.children() if isinstance(child, nn.ModuleList | nn.Sequential) else (child,)


@cache
def _computed_again(kind: type[Any]) -> type[Any]:
    """The same kind of module with a checkpointed forward pass."""

    def forward(self: nn.Module, *inputs: Any, **options: Any) -> Any:
        plain = partial(kind.forward, self)
        if not (self.training and torch.is_grad_enabled()):
            return plain(*inputs, **options)
        return checkpoint(
            plain, *inputs, use_reentrant=False, context_fn=partial(_first_and_second_pass, self), **options
        )

    return type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})


def _first_and_second_pass(module: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _statistics_stay(module)


@contextmanager
def _statistics_stay(module: nn.Module) -> Iterator[None]:
    """Within it, batch normalisation moves copies of its running statistics.

    The buffers themselves are exchanged: autograd would notice a write to them.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
    kept = [dict(layer._buffers) for layer in layers]
    for layer, buffers in zip(layers, kept, strict=True):
        layer._buffers.update({name: buffer if buffer is None else buffer.clone() for name, buffer in buffers.items()})
    try:
        yield
    finally:
        for layer, buffers in zip(layers, kept, strict=True):
            layer._buffers.update(buffers)
