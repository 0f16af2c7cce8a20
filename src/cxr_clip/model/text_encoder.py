"""Text encoder: tokens in, one feature a text out, on any Hugging Face text backbone."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cxr_clip.errors import RecipeError
from cxr_clip.model.backbones import (
    make_architecture,
    pretrained_backbone,
    random_backbone,
    read_architecture,
    stop_unreached,
)
from cxr_clip.model.linear import use_onednn
from cxr_clip.model.packing import allow_packing, can_pack, encode_packed, first_position, pack
from cxr_clip.tensors import Tokens

TextPooling = Literal["eos", "cls", "mean"]

# Where the pretrained weights behind a short name lie on the hub.
PRETRAINED_TEXT_ENCODERS: Mapping[str, str] = MappingProxyType({"bio-clinical-bert": "emilyalsentzer/Bio_ClinicalBERT"})

# Groups of like length where texts cannot be packed and nobody says how many.
BUCKETS = 4


class TextEncoder(nn.Module):
    """A text backbone with its pooling.

    `backbone` takes `input_ids` and `attention_mask` and answers with `last_hidden_state`. Pooling: "eos" is the last
    token of the text ([SEP]; the paper's choice), "cls" the first, "mean" that of all tokens of the text.
    """

    def __init__(self, backbone: nn.Module, *, feature_size: int, pooling: TextPooling) -> None:
        super().__init__()
        self.backbone = backbone
        self.feature_size = feature_size
        self.pooling = pooling

    @property
    def longest_text(self) -> int | None:
        """How many tokens a text may have; None where the backbone names no limit."""
        backbone: Any = self.backbone
        positions = getattr(backbone.config, "max_position_embeddings", None)
        if positions is None or positions < 1:
            return None
        return int(positions) - first_position(backbone)

    @property
    def vocabulary_size(self) -> int:
        """How many tokens have an embedding."""
        backbone: Any = self.backbone
        return int(backbone.get_input_embeddings().num_embeddings)

    def forward(self, tokens: Tokens, *, buckets: int | None = None) -> Float[Tensor, "batch features"]:
        """Return the feature of each text, in the order given.

        Without `buckets` texts are encoded end to end, without padding, where the backbone can (`packing`). Else those
        of like length are encoded together, padded, in at most `buckets` calls, where this saves padding. The features
        are the same. A text that comes several times is encoded once, unless dropout is drawn for each.
        """
        if _draws(self.backbone):
            return self._encode(tokens, buckets)
        distinct, places = _distinct(tokens)
        features = self._encode(distinct, buckets)
        # The gradient of an index is summed in no certain order on several threads, that of `index_select` in order.
        return features if distinct is tokens else features.index_select(0, places)

    def _encode(self, tokens: Tokens, buckets: int | None) -> Float[Tensor, "batch features"]:
        if buckets is None and can_pack(self.backbone, tokens):
            return self._encode_packed(tokens)
        groups = length_groups(tokens.mask.sum(dim=1), buckets or BUCKETS)
        if len(groups) == 1:
            return self.encode_padded(tokens.ids, tokens.mask)
        features = torch.cat([self._encode_trimmed(tokens, group) for group in groups])
        return features[torch.cat(groups).argsort()]

    def _encode_packed(self, tokens: Tokens) -> Float[Tensor, "batch features"]:
        hidden = encode_packed(self.backbone, pack(tokens))
        if self.pooling == "cls":
            return hidden.firsts
        return hidden.lasts if self.pooling == "eos" else hidden.means

    def _encode_trimmed(self, tokens: Tokens, rows: Int[Tensor, " group"]) -> Float[Tensor, "group features"]:
        shorter = trimmed(tokens, rows)
        return self.encode_padded(shorter.ids, shorter.mask)

    def encode_padded(
        self, ids: Int[Tensor, "batch length"], mask: Int[Tensor, "batch length"]
    ) -> Float[Tensor, "batch features"]:
        """Return the feature of each text in one call of the backbone; padding is computed and hidden by the mask."""
        output = self.backbone(input_ids=ids, attention_mask=mask)
        hidden: Tensor = output.last_hidden_state
        if self.pooling == "cls":
            return hidden[:, 0]
        if self.pooling == "eos":
            return hidden[torch.arange(hidden.shape[0], device=hidden.device), mask.sum(dim=1) - 1]
        weights = mask.unsqueeze(2).to(torch.promote_types(hidden.dtype, torch.float32))
        return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def length_groups(lengths: Int[Tensor, " batch"], buckets: int) -> list[Int[Tensor, " group"]]:
    """Split the rows of a batch into groups of like length: row numbers, each group about equally many.

    One group where splitting would save less than a tenth of the padded tokens: a call costs something too.
    """
    order = lengths.argsort(stable=True)
    groups = list(order.chunk(min(buckets, len(order))))
    padded = sum(int(lengths[group].max()) * len(group) for group in groups)
    whole = int(lengths.max()) * len(lengths)
    return groups if padded <= 0.9 * whole else [order]


def trimmed(tokens: Tokens, rows: Int[Tensor, " group"]) -> Tokens:
    """Return some rows, padded to the longest of them only."""
    mask = tokens.mask[rows]
    length = int(mask.sum(dim=1).max())
    return Tokens(ids=tokens.ids[rows, :length], mask=mask[:, :length])


def _distinct(tokens: Tokens) -> tuple[Tokens, Int[Tensor, " batch"]]:
    """Each text once, and where among them each text of the batch is; the batch itself where no text comes twice."""
    rows, places = torch.unique(tokens.ids.where(tokens.mask.bool(), -1), dim=0, return_inverse=True)
    if len(rows) == len(places):
        return tokens, places
    return Tokens(ids=rows.clamp(min=0), mask=(rows >= 0).to(tokens.mask.dtype)), places


def _draws(backbone: nn.Module) -> bool:
    """Whether two passes of the same text differ: some dropout has a rate and is in training mode."""
    return any(
        getattr(module, name) > 0 for module in backbone.modules() if module.training for name in _dropout_rates(module)
    )


def text_encoder_from_folder(name_or_folder: str, *, pooling: TextPooling) -> TextEncoder:
    """Return a pretrained encoder: a short name of `PRETRAINED_TEXT_ENCODERS`, a hub name, or a local folder.

    Raises CheckpointError if nothing readable is there, or its weights do not fit; the message names them.
    """
    location = PRETRAINED_TEXT_ENCODERS.get(name_or_folder, name_or_folder)
    return _encoder(pretrained_backbone(location, takes="input_ids", pooler=False), pooling)


def text_encoder_from_architecture(architecture: Mapping[str, object], *, pooling: TextPooling) -> TextEncoder:
    """Return an encoder with random weights (torch's global generator) from `model_type` and its settings.

    Raises RecipeError if the architecture is unknown or impossible.
    """
    return _encoder(random_backbone(make_architecture(architecture), takes="input_ids", pooler=False), pooling)


def text_encoder_from_config_folder(folder: Path, *, pooling: TextPooling) -> TextEncoder:
    """Return an encoder of the architecture in a folder, with random weights: the real ones are loaded afterwards.

    Raises CheckpointError if the folder has no readable config.json.
    """
    return _encoder(random_backbone(read_architecture(str(folder)), takes="input_ids", pooler=False), pooling)


def set_dropout(encoder: TextEncoder, rate: float) -> None:
    """Give every dropout of the backbone the same rate; 0 stops them all.

    On a CPU the random numbers of 0.1 took a third of the time of a partly frozen six-layer BERT.

    Raises RecipeError if the backbone has no dropout, so that the rate would have no effect.
    """
    places = [(module, name) for module in encoder.backbone.modules() for name in _dropout_rates(module)]
    if not places:
        raise RecipeError("this text backbone has no dropout: leave model.text.dropout out")
    for module, name in places:
        setattr(module, name, rate)


def _dropout_rates(module: nn.Module) -> list[str]:
    """The attributes of a module that hold a rate: a layer's own, or that of an attention without such a layer."""
    if isinstance(module, nn.Dropout):
        return ["p"]
    numbers = [name for name, value in vars(module).items() if type(value) in (int, float)]
    return [name for name in numbers if "dropout" in name]


def write_text_config(encoder: TextEncoder, folder: Path) -> None:
    """Write what `text_encoder_from_config_folder` reads: config.json."""
    architecture: Any = encoder.backbone.config
    architecture.save_pretrained(folder)


def _encoder(backbone: nn.Module, pooling: TextPooling) -> TextEncoder:
    use_onednn(backbone)
    allow_packing(backbone)
    encoder = TextEncoder(backbone, feature_size=0, pooling=pooling).eval()
    # Two tokens tell the feature's size and which weights take part.
    probe = torch.ones(1, 2, dtype=torch.int64)
    feature = encoder(Tokens(ids=probe, mask=probe))
    stop_unreached(backbone, feature)
    encoder.feature_size = feature.shape[1]
    return encoder.train()
