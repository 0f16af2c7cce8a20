"""Where in a picture the positions of an encoder's map lie: the centre of each, in pixels of what it was given.

They are followed through the strided layers. A ResNet, whose 3x3 kernels are padded by 1 on both sides, has position i
at 32 i, half a position to the left of where a map that is simply stretched over the picture would have it; MobileNetV2
in TensorFlow's padding has it to the right; patches are centred.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cxr_clip.model.image_encoder import ImageEncoder

STRIDED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


@dataclass(frozen=True)
class Places:
    """Position i of `count` on each axis is centred on pixel `first + i * step`; pixels are numbered from 0."""

    count: int
    step: float
    first: float


@dataclass(frozen=True)
class _Layer:
    """A strided layer: what it was given and gave, in pixels."""

    kernel: int
    stride: int
    padding: int
    given: int
    gave: int


@torch.inference_mode()
def places_of(encoder: ImageEncoder, size: int, count: int) -> Places:
    """The places of a map of `count` x `count` positions inside `encoder`, for pictures of `size` x `size` pixels."""
    passed = [Places(size, 1.0, 0.0)]
    for layer in _strided_layers(encoder, size):
        before = passed[-1]
        # TensorFlow's padding is done before the layer, the smaller half at the left.
        left = layer.padding + (layer.given - before.count) // 2
        shift = (layer.kernel - 1) / 2 - left
        passed.append(Places(layer.gave, before.step * layer.stride, before.first + before.step * shift))
    nearest = [one for one in passed if one.count >= count][-1]
    # Patches that are merged two by two, with one more at the edge where their number is odd.
    merged = 2 ** math.ceil(math.log2(nearest.count / count))
    return Places(count, nearest.step * merged, nearest.first + nearest.step * (merged - 1) / 2)


def _strided_layers(encoder: ImageEncoder, size: int) -> list[_Layer]:
    """The layers that make a picture smaller, in their order; of two side by side the one with the larger kernel."""
    found: dict[int, _Layer] = {}

    def note(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        kernel, stride, padding = (_along(value) for value in (module.kernel_size, module.stride, module.padding))
        layer = _Layer(kernel, stride, padding, inputs[0].shape[-1], output.shape[-1])
        if stride > 1 and (layer.gave not in found or found[layer.gave].kernel < kernel):
            found[layer.gave] = layer

    hooks = [module.register_forward_hook(note) for module in encoder.backbone.modules() if isinstance(module, STRIDED)]
    try:
        encoder(torch.zeros(1, 1, size, size, device=encoder.mean.device))
    finally:
        for hook in hooks:
            hook.remove()
    return sorted(found.values(), key=lambda layer: -layer.gave)


def _along(value: Any) -> int:
    return int(value[-1] if isinstance(value, tuple) else value)
