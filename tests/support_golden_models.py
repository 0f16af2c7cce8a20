"""Small models of the published code: rebuilt from their recorded weights, with the names that both sides give them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture, image_encoder_from_config_folder
from cxr_clip.model.text_encoder import text_encoder_from_config_folder
from cxr_clip.published.archive import open_archive
from cxr_clip.published.names import assign


def our_names(theirs: Iterable[str], model: nn.Module, *, within: str = "") -> dict[str, str]:
    """Their name -> ours of every weight of a model, or of the tower `within` one; every one has a place."""
    saved = [f"{within}{name}" for name in model.state_dict()]
    tables = [f"{within}{name}" for name, _ in model.named_buffers()]
    return {theirs: ours for ours, theirs in assign(theirs, weights=saved, tables=tables).weights.items()}


def published_model(weights: dict[str, Tensor], standins: Path, *, resnet: bool) -> DualEncoder:
    """Our model with published weights, every one in its place; its towers have the shapes of the stand-ins."""
    image = (
        image_encoder_from_architecture("resnet50", pooling="mean")
        if resnet
        else image_encoder_from_config_folder(standins / "swin_small", pooling="first")
    )
    model = DualEncoder(image, text_encoder_from_config_folder(standins / "bert_tiny", pooling="eos"))
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    ours = {ours: weights[theirs].reshape(shapes[ours]) for theirs, ours in our_names(weights, model).items()}
    model.load_state_dict(ours, strict=True)
    return model.eval()


def checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of the published code, its tensors read where it holds a model."""
    with open_archive(path) as archive:
        content: Any = archive.value()
        stored = content.get("model", {})
        return {**content, "model": {name: archive.tensor(one) for name, one in stored.items()}}
