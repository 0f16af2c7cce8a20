# Copyright: the cxr-clip authors. Licensed under the Apache License, Version 2.0 (the "License"); you may not use this
# file except in compliance with the License: http://www.apache.org/licenses/LICENSE-2.0. Distributed on an "AS IS"
# basis, without warranties or conditions of any kind.
"""Chest X-rays and texts in one space: two backbones of transformers, their pooling, projections and one scale."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.clip.modeling_clip import CLIPOutput

from .configuration_cxr_clip import CxrClipConfig


class CxrClipModel(PreTrainedModel):  # type: ignore[misc]
    """Takes `pixel_values` of its image processor, and tokens; answers like a CLIPModel."""

    config_class = CxrClipConfig
    base_model_prefix = "cxr_clip"
    main_input_name = "pixel_values"
    input_modalities = ("image", "text")
    _supports_sdpa = True

    def __init__(self, config: CxrClipConfig) -> None:
        super().__init__(config)
        self.vision_model = _backbone(config.vision_config, pooler=config.image_pooling == "pooled")
        self.text_model = _backbone(config.text_config, pooler=False)
        self.visual_projection = nn.Linear(config.image_feature_size, config.projection_dim)
        self.text_projection = nn.Linear(config.text_feature_size, config.projection_dim)
        self.logit_scale = nn.Parameter(torch.zeros(1))
        _keep_windows_whole(self.vision_model)
        takes_any_size = "interpolate_pos_encoding" in inspect.signature(self.vision_model.forward).parameters
        self.image_options = {"interpolate_pos_encoding": True} if takes_any_size else {}
        self.post_init()

    def get_image_features(self, pixel_values: Tensor) -> BaseModelOutputWithPooling:
        """`pooler_output`: the projected feature of each picture, not of unit length."""
        output = self.vision_model(pixel_values=pixel_values, **self.image_options)
        feature = self._pooled_image(output)
        return BaseModelOutputWithPooling(output.last_hidden_state, self.visual_projection(feature))

    def get_text_features(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> BaseModelOutputWithPooling:
        """`pooler_output`: the projected feature of each text, not of unit length; padding is on the right."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        hidden = self.text_model(input_ids=input_ids, attention_mask=mask).last_hidden_state
        return BaseModelOutputWithPooling(hidden, self.text_projection(self._pooled_text(hidden, mask)))

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,  # noqa: ARG002  (tokenisers send it; a single text has zeros)
    ) -> CLIPOutput:
        """Embeddings of unit length of what is given, and of both the scaled cosines."""
        images = None if pixel_values is None else _unit_length(self.get_image_features(pixel_values))
        texts = None if input_ids is None else _unit_length(self.get_text_features(input_ids, attention_mask))
        logits = None if images is None or texts is None else self.logit_scale.exp() * images @ texts.T
        return CLIPOutput(
            logits_per_image=logits,
            logits_per_text=None if logits is None else logits.T,
            image_embeds=images,
            text_embeds=texts,
        )

    def _pooled_image(self, output: Any) -> Tensor:
        if self.config.image_pooling == "pooled":
            pooled: Tensor = output.pooler_output.flatten(1)
            return pooled
        hidden: Tensor = output.last_hidden_state
        if self.config.image_pooling == "first":
            return hidden[:, 0]
        mean = hidden.float().mean(dim=(2, 3) if hidden.ndim == 4 else 1)
        return mean.to(self.visual_projection.weight.dtype)

    def _pooled_text(self, hidden: Tensor, mask: Tensor) -> Tensor:
        if self.config.text_pooling == "cls":
            return hidden[:, 0]
        if self.config.text_pooling == "eos":
            return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(dim=1) - 1]
        weights = mask.unsqueeze(2).float()
        return ((hidden * weights).sum(dim=1) / weights.sum(dim=1)).to(self.text_projection.weight.dtype)


def _backbone(config: Any, *, pooler: bool) -> Any:
    model_class = AutoModel._model_mapping[type(config)]
    has_choice = "add_pooling_layer" in inspect.signature(model_class.__init__).parameters
    return AutoModel.from_config(config, **({"add_pooling_layer": pooler} if has_choice else {}))


def _unit_length(output: BaseModelOutputWithPooling) -> Tensor:
    return nn.functional.normalize(output.pooler_output.float(), dim=1)


def _keep_windows_whole(backbone: nn.Module) -> None:
    """Let each layer of a Swin choose its shift from the picture at hand: transformers shrinks windows for good."""
    for stage in backbone.modules():
        if type(stage).__name__ == "SwinStage":
            for number, layer in enumerate(stage.blocks):  # type: ignore[arg-type, unused-ignore]
                layer.designed_shift = 0 if number % 2 == 0 else layer.window_size // 2
                layer.register_forward_pre_hook(_choose_shift, with_kwargs=True)


def _choose_shift(layer: Any, inputs: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    layer.shift_size = 0 if min(inputs[1]) <= layer.window_size else layer.designed_shift
    return inputs[:2], {**options, "always_partition": True}
