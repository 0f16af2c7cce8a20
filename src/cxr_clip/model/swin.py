"""Swin at any picture size: windows that stay whole, whatever was encoded before.

Transformers shrinks a layer's window for good once a picture is small, and then fails because the position table
still has the old size: below 224 px the last stage has fewer than 7 x 7 patches. It also stops the shift for good, so
that a larger picture gets another answer after a small one than before it. Here every forward starts from the layer's
own window; maps smaller than the window are padded to it and not shifted, larger ones are shifted as designed.
At the configured size the features are those of transformers.
"""

from typing import Any

from torch import nn


def keep_windows_whole(backbone: nn.Module) -> None:
    """Make every layer of a `SwinModel` choose its shift from the picture at hand. No effect on other models."""
    from transformers.models.swin.modeling_swin import SwinLayer, SwinStage

    for stage in backbone.modules():
        if not isinstance(stage, SwinStage):
            continue
        for number, layer in enumerate(stage.blocks):
            if isinstance(layer, SwinLayer):
                layer.designed_shift = 0 if number % 2 == 0 else layer.window_size // 2
                layer.register_forward_pre_hook(_choose_shift, with_kwargs=True)


def _choose_shift(
    layer: Any, inputs: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    height, width = inputs[1]
    layer.shift_size = 0 if min(height, width) <= layer.window_size else layer.designed_shift
    # `always_partition` is what stops transformers from overwriting window and shift.
    return inputs[:2], {**options, "always_partition": True}
