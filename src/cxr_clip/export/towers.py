"""The two towers as plain modules of tensors: what an exporter can follow."""

import copy
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from cxr_clip.errors import CheckpointError
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.linear import OneDnnLinear


class ImageTower(nn.Module):
    """8-bit grey pictures to unit-length embeddings; the normalisation is inside."""

    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: UInt8[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch dim"]:
        """Return the embedding of each picture."""
        return self.model.embed_images(pixels)


class TextTower(nn.Module):
    """Token ids and their mask to unit-length embeddings, every text padded to the longest."""

    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.text = model.text
        self.projection = model.text_projection

    def forward(
        self, input_ids: Int[Tensor, "batch length"], attention_mask: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch dim"]:
        """Return the embedding of each text; the mask is 1 on its tokens, which come first, and 0 after them."""
        feature = self.text.encode_padded(input_ids, attention_mask)
        return nn.functional.normalize(self.projection(feature), dim=1)


def portable(model: DualEncoder) -> DualEncoder:
    """A copy in evaluation mode on the CPU, without what only torch on a CPU has: plain attention, plain products.

    Raises CheckpointError where a backbone has no eager attention.
    """
    plain = copy.deepcopy(model).cpu().float().eval()
    plain.requires_grad_(False)
    for backbone in (plain.image.backbone, plain.text.backbone):
        _attend_eagerly(backbone)
    for module in plain.modules():
        if type(module) is OneDnnLinear:
            module.__class__ = nn.Linear  # type: ignore[assignment]
    return plain


def _attend_eagerly(backbone: Any) -> None:
    try:
        backbone.set_attn_implementation("eager")
    except ValueError as error:
        kind = backbone.config.model_type
        raise CheckpointError(f"{kind} has no eager attention, without which it cannot be exported: {error}") from error


def example_tokens(model: DualEncoder) -> tuple[Tensor, Tensor]:
    """Two texts of different length to follow the text tower with: their ids and masks."""
    ids = torch.ones(2, 7, dtype=torch.int64).clamp(max=model.text.vocabulary_size - 1)
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    return ids, mask
