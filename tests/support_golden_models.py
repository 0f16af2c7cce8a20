"""Small models of the published code: rebuilt from their recorded weights, with the names that both sides give them."""

import pickle
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture, image_encoder_from_config_folder
from cxr_clip.model.text_encoder import text_encoder_from_config_folder

# From the names of torchvision, old transformers and the published wrapper to ours, in order of replacement.
RENAMED = (
    (r"^logit_scale$", "log_scale"),
    (r"^(image|text)_projection\.projection\.", r"\1_projection."),
    (r"^(image|text)_encoder\.(image_encoder|text_encoder|resnet)\.", r"\1.backbone."),
    (r"\.backbone\.conv1\.", ".backbone.embedder.embedder.convolution."),
    (r"\.backbone\.bn1\.", ".backbone.embedder.embedder.normalization."),
    (r"\.downsample\.0\.", ".shortcut.convolution."),
    (r"\.downsample\.1\.", ".shortcut.normalization."),
    (r"\.(blocks\.\d+)\.attention\.self\.(q|k|v)(uery|ey|alue)\.", r".\1.attention.\2_proj."),
    (r"\.(blocks\.\d+)\.attention\.self\.relative", r".\1.attention.relative_position_bias.relative"),
    (r"\.(blocks\.\d+)\.attention\.output\.dense\.", r".\1.attention.o_proj."),
    (r"\.(blocks\.\d+)\.intermediate\.dense\.", r".\1.mlp.fc1."),
    (r"\.(blocks\.\d+)\.output\.dense\.", r".\1.mlp.fc2."),
)
# Tables that the model makes itself, and the pooler behind BERT, which nothing uses.
NOT_OURS = ("position_ids", "relative_position_index", "pooler.dense.weight", "pooler.dense.bias")


def our_name(theirs: str) -> str | None:
    """The name of a published weight in our model; absent where ours has no such weight."""
    if theirs.endswith(NOT_OURS):
        return None
    for pattern, ours in RENAMED:
        theirs = re.sub(pattern, ours, theirs)
    return re.sub(r"\.backbone\.layer([1-4])\.(\d+)\.", _block, re.sub(r"\.(conv|bn)([1-3])\.", _layer, theirs))


def _block(found: re.Match[str]) -> str:
    return f".backbone.encoder.stages.{int(found[1]) - 1}.layers.{found[2]}."


def _layer(found: re.Match[str]) -> str:
    return f".layer.{int(found[2]) - 1}.{'convolution' if found[1] == 'conv' else 'normalization'}."


def published_model(weights: dict[str, Tensor], standins: Path, *, resnet: bool) -> DualEncoder:
    """Our model with published weights, every one in its place; its towers have the shapes of the stand-ins."""
    image = (
        image_encoder_from_architecture("resnet50", pooling="mean")
        if resnet
        else image_encoder_from_config_folder(standins / "swin_small", pooling="first")
    )
    model = DualEncoder(image, text_encoder_from_config_folder(standins / "bert_tiny", pooling="eos"))
    ours = {name: value for theirs, value in weights.items() if (name := our_name(theirs)) is not None}
    model.load_state_dict(ours | {"log_scale": ours["log_scale"].reshape(1)}, strict=True)
    return model.eval()


def checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of the published code, without the records of its settings, whose package is not there."""
    reader = ModuleType("reader")
    reader.Unpickler = _WithoutRecords  # type: ignore[attr-defined]
    content: dict[str, Any] = torch.load(path, weights_only=False, pickle_module=reader)
    return content


class _Record:
    """Stands for a record of the settings."""

    def __init__(self, *values: Any) -> None: ...
    def __setstate__(self, state: Any) -> None: ...


class _WithoutRecords(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _Record if module.startswith("omegaconf") else super().find_class(module, name)
