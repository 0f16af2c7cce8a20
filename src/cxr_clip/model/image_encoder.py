"""Image encoder: grey pictures in, one feature a picture out, on any Hugging Face vision backbone.

The encoder owns its input: it takes 8-bit grey pictures as they are stored and normalises them itself, so that no
loader, service or export can use the wrong statistics.
"""

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from cxr_clip.errors import RecipeError
from cxr_clip.model.backbones import (
    make_architecture,
    pretrained_backbone,
    random_backbone,
    read_architecture,
    stop_unreached,
)
from cxr_clip.model.batch_norm import remember_batches
from cxr_clip.model.convolution import use_onednn_convolutions
from cxr_clip.model.linear import use_onednn
from cxr_clip.model.normalisation import Channels, Normalisation, family_normalisation, stored_normalisation
from cxr_clip.model.swin import keep_windows_whole

ImagePooling = Literal["mean", "first", "pooled"]

# Where the pretrained weights behind a short name lie on the hub.
PRETRAINED_IMAGE_ENCODERS: Mapping[str, str] = MappingProxyType(
    {"resnet50": "microsoft/resnet-50", "swin-tiny": "microsoft/swin-tiny-patch4-window7-224"}
)
# The same architectures by the same names, for random weights. ResNet-50 strides in the 3x3 convolutions, as
# torchvision's does.
IMAGE_ARCHITECTURES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "resnet50": {"model_type": "resnet", "downsample_in_bottleneck": False},
        "swin-tiny": {"model_type": "swin", "depths": (2, 2, 6, 2), "num_heads": (3, 6, 12, 24), "embed_dim": 96},
    }
)


class ImageEncoder(nn.Module):
    """A vision backbone with its normalisation and pooling.

    `backbone` takes `pixel_values` of three channels and answers with `last_hidden_state`, a map
    "batch channels height width" or tokens "batch length channels". Pooling: "mean" over the map or all tokens,
    "first" token (tokens only), or the backbone's own "pooled" output.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, backbone: nn.Module, *, feature_size: int, pooling: ImagePooling, mean: Channels, std: Channels
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.feature_size = feature_size
        self.pooling = pooling
        # Not in the checkpoint's weights: they belong to the architecture and are written beside it.
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        takes_any_size = "interpolate_pos_encoding" in inspect.signature(backbone.forward).parameters
        self._options = {"interpolate_pos_encoding": True} if takes_any_size else {}

    def forward(
        self, images: UInt8[Tensor, "batch 1 height width"] | Float[Tensor, "batch 1 height width"]
    ) -> Float[Tensor, "batch features"]:
        """Return the feature of each picture; 8-bit pictures reach from 0 to 255, floating ones from 0 to 1."""
        return self.pool(self.outputs(images))

    def outputs(
        self,
        images: UInt8[Tensor, "batch 1 height width"] | Float[Tensor, "batch 1 height width"],
        *,
        output_hidden_states: bool = False,
    ) -> Any:
        """Return what the backbone answers, before pooling, with the states of all its layers where that is asked."""
        asked = {"output_hidden_states": True} if output_hidden_states else {}
        return self.backbone(pixel_values=self._normalised(images), **self._options, **asked)

    def _normalised(self, images: Tensor) -> Float[Tensor, "batch 3 height width"]:
        values = images.to(self.mean.dtype)
        if not images.is_floating_point():
            values = values / 255
        # Channels last: on a CPU a small ResNet ran 1.2 and MobileNetV2 1.5 times as fast, Swin and ResNet-50 equally.
        return ((values - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def pool(self, output: Any) -> Float[Tensor, "batch features"]:
        """Return the feature of each picture from what the backbone answers.

        Raises RecipeError where the backbone has no output of its own for this pooling.
        """
        if self.pooling == "pooled":
            pooled: Tensor | None = output.get("pooler_output")
            if pooled is None:
                raise RecipeError("this image backbone has no pooled output; use image pooling 'mean' or 'first'")
            return pooled.flatten(1)
        hidden: Tensor = output.last_hidden_state
        is_map = hidden.ndim == 4
        if self.pooling == "mean":
            # Summing 49 and more values of eight bits loses what tells similar pictures apart.
            precise = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
            return precise.mean(dim=(2, 3)) if is_map else precise.mean(dim=1)
        if is_map:
            raise RecipeError("image pooling 'first' takes a token, and this backbone is convolutional; use 'mean'")
        return hidden[:, 0]


def image_encoder_from_folder(
    name_or_folder: str, *, pooling: ImagePooling, mean: Channels | None = None, std: Channels | None = None
) -> ImageEncoder:
    """Return a pretrained encoder: a short name of `PRETRAINED_IMAGE_ENCODERS`, a hub name, or a local folder.

    Without `mean` or `std` they are those of the folder's preprocessor_config.json, else the family's.

    Raises CheckpointError if nothing readable is there, or its weights do not fit; the message names them.
    Raises RecipeError if the backbone cannot be pooled like this.
    """
    location = PRETRAINED_IMAGE_ENCODERS.get(name_or_folder, name_or_folder)
    backbone = pretrained_backbone(location, takes="pixel_values", pooler=pooling == "pooled")
    # The short names are the paper's models, whose Swin saw 0.5/0.5 and not what the hub's file says.
    stored = None if name_or_folder in PRETRAINED_IMAGE_ENCODERS else stored_normalisation(location)
    return _encoder(backbone, pooling, _chosen(backbone, stored, mean, std))


def image_encoder_from_architecture(
    architecture: str | Mapping[str, object],
    *,
    pooling: ImagePooling,
    mean: Channels | None = None,
    std: Channels | None = None,
) -> ImageEncoder:
    """Return an encoder with random weights (torch's global generator).

    `architecture`: a name of `IMAGE_ARCHITECTURES`, or `model_type` and its settings.

    Raises RecipeError if the architecture is unknown or impossible, or cannot be pooled like this.
    """
    settings = _named(architecture) if isinstance(architecture, str) else architecture
    backbone = random_backbone(make_architecture(settings), takes="pixel_values", pooler=pooling == "pooled")
    return _encoder(backbone, pooling, _chosen(backbone, None, mean, std))


def image_encoder_from_config_folder(
    folder: Path, *, pooling: ImagePooling, mean: Channels | None = None, std: Channels | None = None
) -> ImageEncoder:
    """Return an encoder of the architecture in a folder, with random weights: the real ones are loaded afterwards.

    Raises CheckpointError if the folder has no readable config.json.
    """
    backbone = random_backbone(read_architecture(str(folder)), takes="pixel_values", pooler=pooling == "pooled")
    return _encoder(backbone, pooling, _chosen(backbone, stored_normalisation(str(folder)), mean, std))


def write_image_config(encoder: ImageEncoder, folder: Path) -> None:
    """Write what `image_encoder_from_config_folder` reads: config.json and preprocessor_config.json."""
    _architecture(encoder.backbone).save_pretrained(folder)
    mean, std = encoder.mean.flatten().tolist(), encoder.std.flatten().tolist()
    Normalisation(mean=tuple(mean), std=tuple(std)).write(folder)


def _named(architecture: str) -> Mapping[str, object]:
    if architecture not in IMAGE_ARCHITECTURES:
        raise RecipeError(
            f"unknown image architecture {architecture!r}: name one of {', '.join(IMAGE_ARCHITECTURES)}, or give a "
            "mapping with model_type and its settings"
        )
    return IMAGE_ARCHITECTURES[architecture]


def _chosen(
    backbone: nn.Module, stored: Normalisation | None, mean: Channels | None, std: Channels | None
) -> Normalisation:
    fallback = stored or family_normalisation(_architecture(backbone).model_type)
    return Normalisation(mean=mean or fallback.mean, std=std or fallback.std)


def _architecture(backbone: nn.Module) -> Any:
    return backbone.config


def _encoder(backbone: nn.Module, pooling: ImagePooling, normalisation: Normalisation) -> ImageEncoder:
    keep_windows_whole(backbone)
    remember_batches(backbone)
    use_onednn(backbone)
    use_onednn_convolutions(backbone)
    encoder = ImageEncoder(
        backbone, feature_size=0, pooling=pooling, mean=normalisation.mean, std=normalisation.std
    ).eval()
    # One picture tells the feature's size, whether this pooling exists, and which weights take part.
    side = getattr(_architecture(backbone), "image_size", 64)
    height, width = (side, side) if isinstance(side, int) else side
    feature = encoder(torch.zeros(1, 1, height, width))
    stop_unreached(backbone, feature)
    encoder.feature_size = feature.shape[1]
    return encoder.train()
