"""LoRA: a text tower whose own weights stand still, while small matrices beside its attention learn. By `peft`.

A linear layer W x becomes W x + alpha / rank * B A x with A and B of rank `rank`; B starts at 0. A checkpoint to use
holds W + alpha / rank * B A, which is the plain architecture, so that nobody needs `peft` to load it.

Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models".
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from cxr_clip.errors import MissingPackageError, RecipeError
from cxr_clip.model.text_encoder import TextEncoder

NAME = "default"


def require_peft() -> None:
    """Raise MissingPackageError where `peft` is absent."""
    try:
        import peft  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "model.text.lora needs peft: pip install 'cxr-clip[lora]', or leave model.text.lora out"
        ) from error


def adapt(tower: TextEncoder, *, rank: int, alpha: float, dropout: float, targets: Sequence[str] | None) -> None:
    """Stop the training of a tower's own weights and put adapters beside its linear layers.

    `targets` are ends of dotted names, such as "attention.self.query"; None takes all linear layers of the attention.
    The adapters' start is drawn from torch's global generator.

    Raises MissingPackageError without `peft`, RecipeError for a target that is no linear layer of the tower.
    """
    require_peft()
    from peft import LoraConfig, inject_adapter_in_model

    backbone: Any = tower.backbone
    names = _targeted(backbone, targets)
    settings = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=names)
    inject_adapter_in_model(settings, backbone, adapter_name=NAME)
    for name, weight in backbone.named_parameters():
        weight.requires_grad_(".lora_" in name)


@torch.no_grad()
def plain_weights(model: nn.Module) -> dict[str, Tensor]:
    """The state of a model without adapters that gives the same: adapters are merged into the layers beside them."""
    adapted = dict(_adapted(model))
    merged: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if ".lora_" in name:
            continue
        layer, _, kind = name.rpartition(".base_layer.")
        if layer in adapted and kind == "weight":
            merged[f"{layer}.weight"] = value + adapted[layer].get_delta_weight(NAME)
        else:
            merged[f"{layer}.{kind}" if layer in adapted else name] = value
    return merged


def is_adapted(model: nn.Module) -> bool:
    """Whether a model has adapters."""
    return next(_adapted(model), None) is not None


def _adapted(model: nn.Module) -> Iterator[tuple[str, Any]]:
    return ((name, layer) for name, layer in model.named_modules() if hasattr(layer, "get_delta_weight"))


def _targeted(backbone: nn.Module, targets: Sequence[str] | None) -> list[str]:
    linear = [name for name, layer in backbone.named_modules() if isinstance(layer, nn.Linear)]
    if targets is None:
        found = [name for name in linear if "attention" in name or "attn" in name]
        if not found:
            raise RecipeError("this text backbone names no layer of its attention: give model.text.lora.targets")
        return found
    for target in targets:
        if not any(_ends(name, target) for name in linear):
            ends = sorted({name.rpartition(".")[2] for name in linear})
            near = get_close_matches(target, ends, n=3) or ends
            raise RecipeError(
                f"model.text.lora.targets: no linear layer of the text tower ends with {target!r}; "
                f"did you mean {', '.join(near)}?"
            )
    return [name for name in linear if any(_ends(name, target) for target in targets)]


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
