"""The architecture of published weights, from their names and shapes: the file holds no other description of it."""

import re
from collections.abc import Mapping
from math import isqrt

from cxr_clip.published.names import BERT, RESNET, SWIN
from cxr_clip.published.pickled import RefusedError

Shapes = Mapping[str, tuple[int, ...]]
# Every published BERT, from tiny to large, has heads of this width; weights do not show it.
BERT_HEAD = 64


def is_resnet(shapes: Shapes) -> bool:
    """Whether the image encoder is torchvision's ResNet, and not a Swin of transformers."""
    return any(name.startswith(RESNET) for name in shapes)


def swin_architecture(shapes: Shapes, *, image_size: int) -> dict[str, object]:
    """What transformers needs to make this Swin; raises RefusedError where the weights are those of no Swin."""
    embed_dim, _, patch, _ = _shape(shapes, f"{SWIN}embeddings.patch_embeddings.projection.weight", 4)
    layers = f"{SWIN}encoder.layers."
    depths = [_count(shapes, rf"{re.escape(layers)}{stage}\.blocks\.(\d+)\.") for stage in range(_stages(shapes))]
    tables = [
        _shape(shapes, f"{layers}{stage}.blocks.0.attention.self.relative_position_bias_table", 2)
        for stage in range(len(depths))
    ]
    inner, outer = _shape(shapes, f"{layers}0.blocks.0.intermediate.dense.weight", 2)
    return {
        "model_type": "swin",
        "image_size": image_size,
        "patch_size": patch,
        "embed_dim": embed_dim,
        "depths": depths,
        "num_heads": [heads for _, heads in tables],
        # The table has a row for each of (2 window - 1)² differences of position.
        "window_size": (isqrt(tables[0][0]) + 1) // 2,
        "mlp_ratio": inner / outer,
    }


def bert_architecture(shapes: Shapes, *, heads: int | None = None) -> dict[str, object]:
    """What transformers needs to make this BERT; raises RefusedError where the weights are those of no BERT."""
    vocabulary, hidden = _shape(shapes, f"{BERT}embeddings.word_embeddings.weight", 2)
    positions, _ = _shape(shapes, f"{BERT}embeddings.position_embeddings.weight", 2)
    types, _ = _shape(shapes, f"{BERT}embeddings.token_type_embeddings.weight", 2)
    inner, _ = _shape(shapes, f"{BERT}encoder.layer.0.intermediate.dense.weight", 2)
    return {
        "model_type": "bert",
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": _count(shapes, rf"{re.escape(BERT)}encoder\.layer\.(\d+)\."),
        "num_attention_heads": heads or max(1, hidden // BERT_HEAD),
        "intermediate_size": inner,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
    }


def embedding_size(shapes: Shapes) -> int:
    """The size of an embedding; raises RefusedError where there is no linear projection."""
    return _shape(shapes, "image_projection.projection.weight", 2)[0]


def _stages(shapes: Shapes) -> int:
    return _count(shapes, rf"{re.escape(SWIN)}encoder\.layers\.(\d+)\.")


def _count(shapes: Shapes, pattern: str) -> int:
    """How many numbers the names have in this place."""
    return len({match[1] for name in shapes if (match := re.match(pattern, name))})


def _shape(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    shape = shapes.get(name, ())
    if len(shape) != dimensions or 0 in shape:
        raise RefusedError(f"its weights are not those of a published model: {name} is absent or has another shape")
    return shape
