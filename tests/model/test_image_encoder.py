"""Image encoders: input statistics, pooling, picture sizes, and strict loading."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForImageClassification, ConvNextConfig, SwinConfig

from cxr_clip.errors import CheckpointError, RecipeError
from cxr_clip.model.image_encoder import (
    IMAGE_ARCHITECTURES,
    image_encoder_from_architecture,
    image_encoder_from_config_folder,
    image_encoder_from_folder,
    write_image_config,
)
from cxr_clip.model.normalisation import HALF, IMAGENET


def saved_backbone(architecture, folder: Path) -> Path:
    torch.manual_seed(1)
    image_encoder_from_architecture(architecture, pooling="mean").backbone.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(("name", "size"), [("resnet", 20), ("swin", 32), ("vit", 12), ("convnext", 10)])
def test_every_kind_of_backbone_gives_one_feature_a_picture(architectures, grey_images, name, size) -> None:
    encoder = image_encoder_from_architecture(architectures[name], pooling="mean")
    assert encoder.feature_size == size
    assert encoder(grey_images(2)).shape == (2, size)


def test_a_folder_gives_the_features_of_transformers(architectures, grey_images, tmp_path) -> None:
    folder = saved_backbone(architectures["resnet"], tmp_path)
    images = grey_images(3)
    encoder = image_encoder_from_folder(str(folder), pooling="mean").eval()
    colour = images.repeat(1, 3, 1, 1) / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET.mean, IMAGENET.std))
    hidden = AutoModel.from_pretrained(folder).eval()((colour - mean) / std).last_hidden_state
    torch.testing.assert_close(encoder(images), hidden.mean(dim=(2, 3)))


def test_floating_pictures_between_0_and_1_equal_their_8_bit_form(architectures, grey_images) -> None:
    encoder = image_encoder_from_architecture(architectures["vit"], pooling="mean").eval()
    images = grey_images(2)
    torch.testing.assert_close(encoder(images.float() / 255), encoder(images))


def test_pooling_takes_the_mean_the_first_token_or_the_pooled_output(architectures, grey_images) -> None:
    encoder = image_encoder_from_architecture(architectures["vit"], pooling="pooled").eval()
    images = grey_images(2)
    output = encoder.backbone(pixel_values=images.repeat(1, 3, 1, 1) / 127.5 - 1)
    torch.testing.assert_close(encoder(images), output.pooler_output)
    encoder.pooling = "first"
    torch.testing.assert_close(encoder(images), output.last_hidden_state[:, 0])
    encoder.pooling = "mean"
    torch.testing.assert_close(encoder(images), output.last_hidden_state.mean(dim=1))


def test_pooled_maps_become_vectors(architectures, grey_images) -> None:
    encoder = image_encoder_from_architecture(architectures["resnet"], pooling="pooled").eval()
    mean = image_encoder_from_architecture(architectures["resnet"], pooling="mean").eval()
    mean.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(encoder(grey_images(2)), mean(grey_images(2)))


def test_a_convolutional_backbone_has_no_first_token(architectures) -> None:
    with pytest.raises(RecipeError, match=r"'first' takes a token.*use 'mean'"):
        image_encoder_from_architecture(architectures["resnet"], pooling="first")


def test_a_backbone_without_a_pooled_output_says_so(architectures, grey_images) -> None:
    encoder = image_encoder_from_architecture(architectures["vit"], pooling="mean")
    encoder.pooling = "pooled"
    with pytest.raises(RecipeError, match="no pooled output"):
        encoder(grey_images(1))


@pytest.mark.parametrize("pooling", ["mean", "pooled"])
@pytest.mark.parametrize("name", ["resnet", "swin", "vit", "convnext"])
def test_every_trained_parameter_gets_a_gradient(architectures, grey_images, name, pooling) -> None:
    encoder = image_encoder_from_architecture(architectures[name], pooling=pooling)
    encoder(grey_images(2)).sum().backward()
    assert [n for n, p in encoder.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize("name", ["resnet", "swin", "vit"])
@pytest.mark.parametrize("side", [48, 64])
def test_pictures_of_other_sizes_are_taken(architectures, grey_images, name, side) -> None:
    encoder = image_encoder_from_architecture(architectures[name], pooling="mean")
    assert encoder(grey_images(2, side=side)).isfinite().all()


def test_swin_at_its_own_size_equals_transformers(architectures, grey_images, tmp_path) -> None:
    folder = saved_backbone(architectures["swin"], tmp_path)
    encoder = image_encoder_from_folder(str(folder), pooling="mean").eval()
    images = grey_images(1, side=224)
    theirs = AutoModel.from_pretrained(folder).eval()(images.repeat(1, 3, 1, 1) / 127.5 - 1)
    torch.testing.assert_close(encoder(images), theirs.last_hidden_state.mean(dim=1))


def test_swin_forgets_the_sizes_that_it_has_seen(architectures, grey_images) -> None:
    encoder = image_encoder_from_architecture(architectures["swin"], pooling="mean").eval()
    large = grey_images(1, side=320)
    before = encoder(large)
    encoder(grey_images(1, side=96))
    torch.testing.assert_close(encoder(large), before, rtol=0, atol=0)


def test_swin_shifts_windows_where_the_map_is_larger_than_one(architectures, grey_images, tmp_path) -> None:
    """A model made for 320 px never has its shift taken away by transformers: the answer must be that one's."""
    large = {**architectures["swin"], "image_size": 320}
    folder = saved_backbone(large, tmp_path)
    images = grey_images(1, side=320)
    encoder = image_encoder_from_folder(str(folder), pooling="mean").eval()
    theirs = AutoModel.from_pretrained(folder).eval()(images.repeat(1, 3, 1, 1) / 127.5 - 1)
    torch.testing.assert_close(encoder(images), theirs.last_hidden_state.mean(dim=1))


def test_statistics_are_the_familys_unless_given_or_stored(architectures, tmp_path) -> None:
    folder = saved_backbone(architectures["vit"], tmp_path)
    assert image_encoder_from_folder(str(folder), pooling="mean").mean.flatten().tolist() == list(HALF.mean)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1] * 3, "image_std": [0.25] * 3}))
    assert image_encoder_from_folder(str(folder), pooling="mean").std.flatten().tolist() == [0.25] * 3
    given = image_encoder_from_folder(str(folder), pooling="mean", mean=(0.5, 0.5, 0.5), std=(0.125, 0.125, 0.125))
    assert given.mean.flatten().tolist() == [0.5] * 3
    assert given.std.flatten().tolist() == [0.125] * 3


def test_statistics_that_cannot_be_read_are_an_error(architectures, tmp_path) -> None:
    folder = saved_backbone(architectures["vit"], tmp_path)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5], "image_std": [0.5]}')
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json.*three numbers"):
        image_encoder_from_folder(str(folder), pooling="mean")
    (folder / "preprocessor_config.json").write_text('{"do_resize": true}')
    assert image_encoder_from_folder(str(folder), pooling="mean").mean.flatten().tolist() == list(HALF.mean)


def test_the_written_configuration_rebuilds_the_same_encoder(architectures, grey_images, tmp_path) -> None:
    statistics = {"mean": (0.5, 0.25, 0.125), "std": (0.25, 0.5, 0.25)}
    encoder = image_encoder_from_architecture(architectures["swin"], pooling="first", **statistics).eval()
    write_image_config(encoder, tmp_path)
    rebuilt = image_encoder_from_config_folder(tmp_path, pooling="first").eval()
    rebuilt.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(rebuilt(grey_images(2)), encoder(grey_images(2)), rtol=0, atol=0)


def test_weights_are_float32_whatever_the_folder_holds(architectures, tmp_path) -> None:
    encoder = image_encoder_from_architecture(architectures["vit"], pooling="mean")
    encoder.backbone.to(torch.bfloat16).save_pretrained(tmp_path)
    loaded = image_encoder_from_folder(str(tmp_path), pooling="mean")
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_a_missing_weight_is_named(architectures, tmp_path) -> None:
    weights = load_file(saved_backbone(architectures["vit"], tmp_path) / "model.safetensors")
    del weights["layernorm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing: layernorm\.weight"):
        image_encoder_from_folder(str(tmp_path), pooling="mean")


def test_a_surplus_weight_is_named(architectures, tmp_path) -> None:
    weights = load_file(saved_backbone(architectures["vit"], tmp_path) / "model.safetensors")
    weights["surprise"] = torch.zeros(1)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="unexpected: surprise"):
        image_encoder_from_folder(str(tmp_path), pooling="mean")


def test_a_weight_of_another_shape_is_an_error(architectures, tmp_path) -> None:
    weights = load_file(saved_backbone(architectures["vit"], tmp_path) / "model.safetensors")
    weights["layernorm.weight"] = torch.zeros(5)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        image_encoder_from_folder(str(tmp_path), pooling="mean")


def test_the_head_of_a_classifier_is_left_aside(tmp_path) -> None:
    config = ConvNextConfig(depths=[1, 1, 1, 1], hidden_sizes=[4, 6, 8, 10])
    AutoModelForImageClassification.from_config(config).save_pretrained(tmp_path)
    assert image_encoder_from_folder(str(tmp_path), pooling="pooled").feature_size == 10


@pytest.mark.parametrize("name", ["no-such-organisation/no-such-model", "resnet50"])
def test_what_cannot_be_fetched_says_how_to_mend_it(name) -> None:
    with pytest.raises(CheckpointError, match="give a local folder"):
        image_encoder_from_folder(name, pooling="mean")


def test_a_folder_with_broken_weights_is_an_error(architectures, tmp_path) -> None:
    (saved_backbone(architectures["vit"], tmp_path) / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match="cannot load the model"):
        image_encoder_from_folder(str(tmp_path), pooling="mean")


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"depths": [1]}, "unknown model_type None"),
        ({"model_type": "resnett"}, "unknown model_type 'resnett'"),
        ({"model_type": "resnet", "depth": [1]}, "no setting 'depth'; did you mean: depths"),
        ({"model_type": "resnet", "layer_type": "odd"}, "refuses its settings"),
        ({"model_type": "encodec"}, "cannot take pictures"),
        ("resnet-50", "unknown image architecture 'resnet-50': name one of resnet50, swin-tiny"),
    ],
)
def test_an_impossible_architecture_is_a_mistake_of_the_recipe(architecture, message) -> None:
    with pytest.raises(RecipeError, match=message):
        image_encoder_from_architecture(architecture, pooling="mean")


def test_the_short_names_are_the_papers_architectures() -> None:
    assert IMAGE_ARCHITECTURES["resnet50"]["downsample_in_bottleneck"] is False
    config = SwinConfig(**{k: v for k, v in IMAGE_ARCHITECTURES["swin-tiny"].items() if k != "model_type"})
    assert (config.hidden_size, config.window_size, config.patch_size, config.image_size) == (768, 7, 4, 224)


@pytest.mark.parametrize(
    ("name", "size", "parameters"), [("resnet50", 2048, 23_508_032), ("swin-tiny", 768, 27_519_354)]
)
def test_a_short_name_gives_random_weights_of_the_papers_size(name, size, parameters) -> None:
    encoder = image_encoder_from_architecture(name, pooling="mean")
    assert encoder.feature_size == size
    assert sum(parameter.numel() for parameter in encoder.parameters()) == parameters


def test_loading_says_nothing(architectures, tmp_path, capfd) -> None:
    folder = saved_backbone(architectures["vit"], tmp_path)
    capfd.readouterr()
    image_encoder_from_folder(str(folder), pooling="mean")
    assert capfd.readouterr() == ("", "")
