# Copyright: the cxr-clip authors. Licensed under the Apache License, Version 2.0 (the "License"); you may not use this
# file except in compliance with the License: http://www.apache.org/licenses/LICENSE-2.0. Distributed on an "AS IS"
# basis, without warranties or conditions of any kind.
"""What the two towers of a chest X-ray model are, and how their outputs become embeddings."""

from typing import Any

from transformers import CONFIG_MAPPING, AutoConfig, PreTrainedConfig


class CxrClipConfig(PreTrainedConfig):  # type: ignore[misc]
    """An image backbone and a text backbone of transformers, a pooling and a linear projection of each.

    `image_pooling`: "mean" over the places, the "first" token, or the backbone's own "pooled" output.
    `text_pooling`: "eos", the last token of the text, "cls", the first, or the "mean" of all.
    """

    model_type = "cxr_clip"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012  (as transformers has it)

    def __init__(
        self,
        vision_config: dict[str, Any] | PreTrainedConfig | None = None,
        text_config: dict[str, Any] | PreTrainedConfig | None = None,
        *,
        image_pooling: str = "mean",
        text_pooling: str = "eos",
        image_feature_size: int = 2048,
        text_feature_size: int = 768,
        projection_dim: int = 512,
        **kwargs: Any,
    ) -> None:
        self.vision_config = _made(vision_config, "resnet")
        self.text_config = _made(text_config, "bert")
        self.image_pooling = image_pooling
        self.text_pooling = text_pooling
        self.image_feature_size = image_feature_size
        self.text_feature_size = text_feature_size
        self.projection_dim = projection_dim
        super().__init__(**kwargs)


def _made(settings: dict[str, Any] | PreTrainedConfig | None, usual: str) -> PreTrainedConfig:
    if isinstance(settings, PreTrainedConfig):
        return settings
    given = dict(settings or {})
    return CONFIG_MAPPING[given.pop("model_type", usual)](**given)
