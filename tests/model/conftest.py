"""Tiny real encoders with random weights, and tiny inputs for them."""

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from cxr_clip.tensors import Tokens

ARCHITECTURES: Mapping[str, Mapping[str, object]] = {
    "resnet": {
        "model_type": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 12, 16, 20],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
    },
    "swin": {
        "model_type": "swin",
        "embed_dim": 4,
        "depths": [1, 1, 1, 2],
        "num_heads": [1, 1, 2, 2],
        # Larger than the default, so that the position tables have an effect.
        "initializer_range": 0.3,
    },
    "vit": {
        "model_type": "vit",
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 12,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    },
    "convnext": {"model_type": "convnext", "depths": [1, 1, 1, 1], "hidden_sizes": [4, 6, 8, 10]},
    "bert": {
        "model_type": "bert",
        "vocab_size": 50,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 40,
    },
}


@pytest.fixture
def architectures() -> Mapping[str, Mapping[str, object]]:
    return ARCHITECTURES


@pytest.fixture
def dual_encoder() -> DualEncoder:
    torch.manual_seed(0)
    image = image_encoder_from_architecture(ARCHITECTURES["resnet"], pooling="mean")
    text = text_encoder_from_architecture(ARCHITECTURES["bert"], pooling="eos")
    return DualEncoder(image, text, dim=10)


@pytest.fixture
def grey_images() -> Callable[..., Tensor]:
    def make(count: int, side: int = 32, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, 256, (count, 1, side, side), dtype=torch.uint8, generator=generator)

    return make


@pytest.fixture
def padded_tokens() -> Callable[..., Tokens]:
    """Random texts of given lengths, padded to the longest with zeros."""

    def make(lengths: list[int], seed: int = 0) -> Tokens:
        generator = torch.Generator().manual_seed(seed)
        ids = torch.randint(1, 50, (len(lengths), max(lengths)), generator=generator)
        mask = (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()
        return Tokens(ids=ids * mask, mask=mask)

    return make
