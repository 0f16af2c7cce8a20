"""From the names of published weights to ours: every one is used, made anew, or behind the features that are used.

ResNet has torchvision's names; Swin and BERT have those of transformers 4, part of which transformers 5 changed.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from cxr_clip.published.pickled import RefusedError

RESNET = "image_encoder.resnet."
SWIN = "image_encoder.image_encoder."
BERT = "text_encoder.text_encoder."
_IMAGE, _TEXT = "image.backbone.", "text.backbone."
_OTHERS = {
    "logit_scale": "log_scale",
    "image_projection.projection.weight": "image_projection.weight",
    "image_projection.projection.bias": "image_projection.bias",
    "text_projection.projection.weight": "text_projection.weight",
    "text_projection.projection.bias": "text_projection.bias",
}
_POOLER = f"{BERT}pooler."
_RESNET_LAYER = re.compile(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.([01]))\.(\w+)")
_SWIN_CHANGES = (
    ("attention.self.query", "attention.q_proj"),
    ("attention.self.key", "attention.k_proj"),
    ("attention.self.value", "attention.v_proj"),
    ("attention.self.relative", "attention.relative_position_bias.relative"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    (".output.dense", ".mlp.fc2"),
)


@dataclass(frozen=True)
class Assignment:
    """Our name -> theirs for weights and for tables that the model makes itself; what has no place in our model."""

    weights: dict[str, str]
    made_anew: dict[str, str]
    behind_the_feature: tuple[str, ...]


def assign(theirs: Iterable[str], *, weights: Collection[str], tables: Collection[str]) -> Assignment:
    """Find the place of every published tensor among our model's `weights` and `tables` (buffers that are not saved).

    Raises RefusedError where a weight has no counterpart, in either direction; they are named.
    """
    found, made_anew, behind, unexpected = {}, {}, [], []
    for name in theirs:
        possible = _ours(name)
        if place := next((one for one in possible if one in weights), None):
            found[place] = name
        elif place := next((one for one in possible if one in tables), None):
            made_anew[place] = name
        elif name.startswith(_POOLER):
            behind.append(name)
        else:
            unexpected.append(name)
    faults = {"missing": sorted(set(weights) - found.keys()), "unexpected": sorted(unexpected)}
    if any(faults.values()):
        shown = "; ".join(
            f"{len(names)} {kind} ({', '.join(name[:80] for name in names[:5])})"
            for kind, names in faults.items()
            if names
        )
        raise RefusedError(f"its weights are not those of the model: {shown}")
    return Assignment(weights=found, made_anew=made_anew, behind_the_feature=tuple(behind))


def _ours(name: str) -> tuple[str, ...]:
    """Our name of a published tensor, as each version of transformers has it."""
    if name.startswith(RESNET):
        return (f"{_IMAGE}{_resnet(name.removeprefix(RESNET))}",)
    if name.startswith(SWIN):
        rest = name.removeprefix(SWIN)
        return f"{_IMAGE}{_swin(rest)}", f"{_IMAGE}{rest}"
    if name.startswith(BERT):
        return (f"{_TEXT}{name.removeprefix(BERT)}",)
    return (_OTHERS[name],) if name in _OTHERS else ()


def _resnet(name: str) -> str:
    """Torchvision counts stages and convolutions from 1, transformers from 0."""
    if match := _RESNET_LAYER.fullmatch(name):
        stage, layer, kind, number, shortcut, rest = match.groups()
        place = "shortcut" if number is None else f"layer.{int(number) - 1}"
        part = "convolution" if kind == "conv" or shortcut == "0" else "normalization"
        return f"encoder.stages.{int(stage) - 1}.layers.{layer}.{place}.{part}.{rest}"
    return name.replace("conv1.", "embedder.embedder.convolution.").replace("bn1.", "embedder.embedder.normalization.")


def _swin(name: str) -> str:
    for old, new in _SWIN_CHANGES:
        name = name.replace(old, new)
    return name
