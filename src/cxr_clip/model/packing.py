"""Texts laid end to end: a BERT without padding.

All tokens of a batch stand in one row, text after text, so that no linear layer sees padding. Positions start again
with each text, and attention stays within a text. Transformers calls the attention that a model's configuration names,
and hands it what the model was called with: here `runs`, the lengths of the texts.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from cxr_clip.tensors import Tokens

ATTENTION = "cxr_clip_packed"

# Models whose layers mix tokens in their attention only, and take positions from outside.
PACKABLE = ("bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")


@dataclass(frozen=True)
class Packed:
    """Tokens, or what a model made of them, end to end: `lengths` of the texts, `values` of all tokens."""

    values: Tensor
    lengths: tuple[int, ...]

    @property
    def firsts(self) -> Float[Tensor, "texts size"]:
        """The value of the first token of each text."""
        ends = self._ends()
        return self.values.index_select(0, ends - ends.new_tensor(self.lengths))

    @property
    def lasts(self) -> Float[Tensor, "texts size"]:
        """The value of the last token of each text."""
        return self.values.index_select(0, self._ends() - 1)

    @property
    def means(self) -> Float[Tensor, "texts size"]:
        """The mean over the tokens of each text, in single precision at least."""
        precise = self.values.to(torch.promote_types(self.values.dtype, torch.float32))
        return torch.stack([text.mean(dim=0) for text in torch.split(precise, list(self.lengths))])

    def _ends(self) -> Int[Tensor, " texts"]:
        return torch.tensor(self.lengths, device=self.values.device).cumsum(dim=0)


def allow_packing(backbone: nn.Module) -> None:
    """Let a backbone take packed texts, if it is of a kind that can; padded ones it takes as before."""
    model: Any = backbone
    settings = model.config
    if settings.model_type not in PACKABLE or getattr(settings, "is_decoder", False):
        return
    if settings._attn_implementation == "sdpa":
        _register()
        model.set_attn_implementation(ATTENTION)


def can_pack(backbone: nn.Module, tokens: Tokens) -> bool:
    """Whether these texts go packed: on a CPU only, as a GPU would wait for one small attention after the other."""
    allowed = getattr(getattr(backbone, "config", None), "_attn_implementation", None) == ATTENTION
    if allowed:
        _register()  # a copy of the model in another process has not been through `allow_packing`
    return allowed and tokens.ids.device.type == "cpu"


def pack(tokens: Tokens) -> Packed:
    """The ids of all tokens of a batch, text after text."""
    lengths = tokens.mask.sum(dim=1).tolist()
    assert min(lengths) > 0, "a text without a token"
    return Packed(tokens.ids[tokens.mask.bool()], tuple(lengths))


def encode_packed(backbone: nn.Module, ids: Packed) -> Packed:
    """The last hidden state of each token of packed texts."""
    positions = torch.cat([torch.arange(length) for length in ids.lengths]) + first_position(backbone)
    output = backbone(input_ids=ids.values[None], position_ids=positions[None], runs=ids.lengths)
    return Packed(output.last_hidden_state[0], ids.lengths)


def first_position(backbone: nn.Module) -> int:
    """The position of a text's first token: RoBERTa and its kin begin after that of the padding."""
    table = getattr(getattr(backbone, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


@cache
def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, _attend)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def _attend(
    module: nn.Module,
    query: Float[Tensor, "batch heads tokens size"],
    key: Float[Tensor, "batch heads tokens size"],
    value: Float[Tensor, "batch heads tokens size"],
    attention_mask: Tensor | None,
    *,
    runs: tuple[int, ...] | None = None,
    **options: Any,
) -> tuple[Float[Tensor, "batch tokens heads size"], None]:
    """Attention within each of the runs, and as transformers has it where there are none."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if runs is None:
        padded: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return padded
    dropout, scale = options.get("dropout", 0.0), options.get("scaling")
    queries, keys, values = (torch.split(whole, list(runs), dim=2) for whole in (query, key, value))
    attended = [
        scaled_dot_product_attention(query, key, value, dropout_p=dropout, scale=scale)
        for query, key, value in zip(queries, keys, values, strict=True)
    ]
    return torch.cat([text.transpose(1, 2) for text in attended], dim=1), None
