"""Where the blocks of a backbone are."""

import pytest
import torch
from torch import nn

from cxr_clip.errors import RecipeError
from cxr_clip.model.blocks import blocks_of
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from cxr_clip.model.text_encoder import text_encoder_from_architecture


def of_image(architecture: object) -> nn.Module:
    return image_encoder_from_architecture(architecture, pooling="mean").backbone


@pytest.mark.parametrize(
    ("name", "before", "blocks"),
    [
        ("resnet", ["ResNetEmbeddings"], ["ResNetStage"] * 4),
        ("swin", ["SwinEmbeddings"], ["SwinStage"] * 4),
        ("vit", ["ViTEmbeddings"], ["ViTLayer"]),
        ("convnext", ["ConvNextEmbeddings"], ["ConvNextStage"] * 4),
    ],
)
def test_of_image_backbones(architectures, name: str, before: list[str], blocks: list[str]) -> None:
    parts = blocks_of(of_image(architectures[name]))
    assert [type(part).__name__ for part in parts.before] == before
    assert [type(part).__name__ for part in parts.blocks] == blocks


def test_of_mobilenet_the_stem_comes_before_and_the_last_convolution_after() -> None:
    parts = blocks_of(of_image({"model_type": "mobilenet_v2", "depth_multiplier": 0.35}))
    assert [type(part).__name__ for part in parts.before] == ["MobileNetV2Stem"]
    assert len(parts.blocks) == 16


@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert"])
def test_of_text_backbones(model_type: str) -> None:
    sizes = {"bert": "num_hidden_layers", "roberta": "num_hidden_layers", "distilbert": "n_layers"}
    width = {"distilbert": {"dim": 12, "hidden_dim": 12, "n_heads": 2}}.get(
        model_type, {"hidden_size": 12, "intermediate_size": 12, "num_attention_heads": 2}
    )
    architecture = {"model_type": model_type, "vocab_size": 30, sizes[model_type]: 3, **width}
    parts = blocks_of(text_encoder_from_architecture(architecture, pooling="cls").backbone)
    assert len(parts.before) == 1
    assert "mbedding" in type(parts.before[0]).__name__
    assert len(parts.blocks) == 3


def test_they_run_in_the_order_in_which_they_are_listed(architectures) -> None:
    backbone, order = of_image(architectures["swin"]), []
    parts = blocks_of(backbone)
    for number, part in enumerate((*parts.before, *parts.blocks)):
        part.register_forward_pre_hook(lambda *_, number=number: order.append(number))
    backbone(pixel_values=torch.zeros(1, 3, 64, 64))
    assert order == sorted(order)
    assert len(order) == 5


def test_a_backbone_without_blocks_or_with_two_rows_of_them_is_refused() -> None:
    with pytest.raises(RecipeError, match="Linear has no single row of blocks"):
        blocks_of(nn.Linear(2, 2))
    two = nn.ModuleDict({name: nn.ModuleList([nn.Linear(2, 2)]) for name in ("first", "second")})
    with pytest.raises(RecipeError, match=r"no single row of blocks.*model\.freeze"):
        blocks_of(two)
