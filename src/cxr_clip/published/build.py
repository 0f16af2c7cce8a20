"""Published tensors become our model: architecture from shapes, every weight in its place, nothing left to chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from cxr_clip.errors import RecipeError
from cxr_clip.model.backbones import make_architecture, random_backbone
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import IMAGE_ARCHITECTURES, ImagePooling, image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.published.architectures import (
    Shapes,
    bert_architecture,
    embedding_size,
    is_resnet,
    swin_architecture,
)
from cxr_clip.published.archive import Archive
from cxr_clip.published.names import Assignment, assign
from cxr_clip.published.pickled import RefusedError, StoredTensor
from cxr_clip.published.settings import PublishedSettings

StoredModel = Mapping[str, StoredTensor]


@dataclass(frozen=True)
class Architecture:
    """Both towers as transformers describes them, the image pooling of the published code, and the embedding's size."""

    image: Mapping[str, object]
    image_pooling: ImagePooling
    text: Mapping[str, object]
    dim: int


def architecture_of(stored: StoredModel, settings: PublishedSettings, *, heads: int | None) -> Architecture:
    """Return the architecture that these tensors belong to; raises RefusedError where there is none."""
    shapes: Shapes = {name: one.shape for name, one in stored.items()}
    resnet = is_resnet(shapes)
    return Architecture(
        image=IMAGE_ARCHITECTURES["resnet50"] if resnet else swin_architecture(shapes, image_size=settings.image_size),
        image_pooling="mean" if resnet else "first",
        text=bert_architecture(shapes, heads=heads),
        dim=embedding_size(shapes),
    )


def places(stored: StoredModel, architecture: Architecture) -> Assignment:
    """Assign every tensor to its place, comparing names and shapes before any number is read or memory reserved.

    Raises RefusedError where a name or shape does not fit.
    """
    weights, tables = _places_of(architecture)
    assignment = assign(stored, weights=weights, tables=tables)
    for ours, theirs in assignment.weights.items():
        # One number is a scalar there and has a dimension here.
        if stored[theirs].shape != weights[ours] and not prod(stored[theirs].shape) == prod(weights[ours]) == 1:
            raise RefusedError(f"its {theirs} has shape {stored[theirs].shape}, and the model {weights[ours]}")
    return assignment


def build_model(
    archive: Archive, stored: StoredModel, architecture: Architecture, settings: PublishedSettings
) -> tuple[DualEncoder, Assignment]:
    """Return the model with its weights, in evaluation mode, and what became of every tensor.

    Raises RefusedError where a tensor does not fit, is not finite, or is another table than the model makes.
    """
    archive.refuse_false_sizes(stored.values())
    assignment = places(stored, architecture)
    normalisation = settings.normalisation
    model = DualEncoder(
        image_encoder_from_architecture(
            architecture.image,
            pooling=architecture.image_pooling,
            mean=normalisation.mean if normalisation else None,
            std=normalisation.std if normalisation else None,
        ),
        text_encoder_from_architecture(architecture.text, pooling=settings.text_pooling),
        dim=architecture.dim,
    )
    for ours, place in model.state_dict().items():
        # One at a time, so that the weights are in memory once; each name and shape was compared above.
        place.copy_(_number(archive, stored, assignment.weights[ours]).reshape(place.shape))
    tables = dict(model.named_buffers())
    for ours, theirs in assignment.made_anew.items():
        if not torch.equal(archive.tensor(stored[theirs]).reshape(-1), tables[ours].reshape(-1)):
            raise RefusedError(f"its table {theirs} is another one than the model makes")
    return model.eval(), assignment


def _number(archive: Archive, stored: StoredModel, name: str) -> Tensor:
    value = archive.tensor(stored[name])
    if not torch.isfinite(value).all():
        raise RefusedError(f"its {name} holds numbers that are not finite")
    return value


def _places_of(architecture: Architecture) -> tuple[dict[str, tuple[int, ...]], set[str]]:
    """Names and shapes of our weights, and names of the tables that are not saved, without memory for the numbers."""
    with torch.device("meta"):
        image = _backbone(architecture.image, "pixel_values")
        text = _backbone(architecture.text, "input_ids")
    dim = architecture.dim
    weights: dict[str, tuple[int, ...]] = {"log_scale": (1,)}
    tables: set[str] = set()
    for tower, backbone in (("image", image), ("text", text)):
        saved = backbone.state_dict()
        weights |= {f"{tower}.backbone.{name}": tuple(value.shape) for name, value in saved.items()}
        weights |= {f"{tower}_projection.weight": (dim, _features(backbone)), f"{tower}_projection.bias": (dim,)}
        tables |= {f"{tower}.backbone.{name}" for name, _ in backbone.named_buffers() if name not in saved}
    return weights, tables


def _backbone(architecture: Mapping[str, object], takes: str) -> nn.Module:
    try:
        return random_backbone(make_architecture(architecture), takes=takes, pooler=False)
    except (RecipeError, ValueError, TypeError, RuntimeError, ZeroDivisionError, OverflowError) as error:
        raise RefusedError(f"its weights are those of no model that transformers has ({error})") from error


def _features(backbone: nn.Module) -> int:
    architecture: Any = backbone.config
    sizes = getattr(architecture, "hidden_sizes", None)
    return int(sizes[-1] if sizes else architecture.hidden_size)
