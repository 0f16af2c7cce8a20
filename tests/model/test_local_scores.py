"""A score taken apart by place: the parts add up to it, and their places lie where the network looks."""

import numpy as np
import pytest
import torch
from torch import nn

from cxr_clip.errors import EmbeddingInputError
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import ImageEncoder, image_encoder_from_architecture
from cxr_clip.model.local_scores import Method, known_method, local_scores
from cxr_clip.model.places import Places, places_of
from cxr_clip.model.text_encoder import text_encoder_from_architecture
from support_models import TEXT

SIZE = 64
RESNET = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 8, 8],
    "depths": [1, 1, 1],
    "layer_type": "basic",
}
MOBILENET = {"model_type": "mobilenet_v2", "depth_multiplier": 0.1, "min_depth": 8, "image_size": SIZE}
CONVNEXT = {"model_type": "convnext", "hidden_sizes": [8, 8], "depths": [1, 1], "num_stages": 2}
SWIN = {
    "model_type": "swin",
    "image_size": SIZE,
    "embed_dim": 8,
    "depths": [1, 1, 1],
    "num_heads": [1, 2, 2],
    "window_size": 4,
}
VIT = {
    "model_type": "vit",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": SIZE,
    "patch_size": 8,
}


def model_of(architecture: dict[str, object], pooling: str = "mean") -> DualEncoder:
    torch.manual_seed(1)
    image = image_encoder_from_architecture(architecture, pooling=pooling)
    text = text_encoder_from_architecture({**TEXT, "vocab_size": 30}, pooling="eos")
    return DualEncoder(image, text, dim=12).eval()


def squares() -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (2, 1, SIZE, SIZE)).astype(np.uint8))


DIRECTIONS = nn.functional.normalize(torch.arange(36.0).reshape(3, 12).sin(), dim=1)


@pytest.mark.parametrize(
    ("architecture", "pooling", "rows", "tokens"),
    [
        (RESNET, "mean", 4, 16),
        (RESNET, "pooled", 4, 16),
        (MOBILENET, "mean", 2, 4),
        (CONVNEXT, "mean", 8, 64),
        (SWIN, "mean", 4, 16),
        (SWIN, "pooled", 4, 16),
        (VIT, "mean", 8, 65),
    ],
)
def test_parts_are_the_projected_positions_and_add_up_to_the_cosine(architecture, pooling, rows, tokens):
    model = model_of(architecture, pooling)
    found = local_scores(model, squares(), DIRECTIONS)
    with torch.no_grad():
        cosines = model.embed_images(squares()) @ DIRECTIONS.T
        hidden = model.image.outputs(squares()).last_hidden_state
        length = model.image_projection(model.image(squares())).norm(dim=1)
    assert found.method is Method.PARTS
    assert found.places.shape == (2, 3, rows, rows)
    torch.testing.assert_close(found.scores, cosines, rtol=0, atol=1e-5)
    # One place by hand: the second row's first position, of the second picture, for the third direction.
    position = hidden[1, :, 1, 0] if hidden.ndim == 4 else hidden[1, tokens - rows * rows + rows]
    with torch.no_grad():
        by_hand = model.image_projection(position) @ DIRECTIONS[2] / length[1] / tokens
    torch.testing.assert_close(found.places[1, 2, 1, 0], by_hand, rtol=0, atol=1e-5)


@pytest.mark.parametrize("pooling", ["first", "pooled"])
def test_another_pooling_has_a_gradient_alone(pooling):
    model = model_of(VIT, pooling).requires_grad_(False)
    found = local_scores(model, squares(), DIRECTIONS)
    assert found.method is Method.GRADIENT
    assert found.places.shape == (2, 3, 8, 8)
    assert found.places.std() > 0
    torch.testing.assert_close(found.scores, model.embed_images(squares()) @ DIRECTIONS.T)
    with pytest.raises(EmbeddingInputError, match=f"pools by '{pooling}' and not by the mean .* method 'gradient'"):
        local_scores(model, squares(), DIRECTIONS, method=Method.PARTS)
    with pytest.raises(EmbeddingInputError, match="no method 'cam': take parts or gradient"):
        known_method("cam")


def test_a_gradient_is_that_of_a_change_of_the_layer():
    """Truth from outside: the score as the activations at a place are scaled up and down a little."""
    model = model_of(RESNET)
    found = local_scores(model, squares(), DIRECTIONS, method=Method.GRADIENT)
    last = model.image.backbone.encoder.stages[-1]

    def score(scale: float) -> torch.Tensor:
        def scaled(_module, inputs):
            changed = inputs[0].clone()
            changed[:, :, 3, 5] *= scale
            return (changed, *inputs[1:])

        hook = last.register_forward_pre_hook(scaled)
        with torch.no_grad():
            scores = model.double().embed_images(squares()) @ DIRECTIONS.double().T
        hook.remove()
        return scores

    slope = (score(1 + 1e-4) - score(1 - 1e-4)) / 2e-4
    torch.testing.assert_close(found.places[:, :, 3, 5].double(), slope, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "size", "places"),
    [
        (RESNET, 64, Places(4, 16.0, 0.0)),
        (MOBILENET, 64, Places(2, 32.0, 31.0)),
        (CONVNEXT, 64, Places(8, 8.0, 3.5)),
        (SWIN, 64, Places(4, 16.0, 7.5)),
        (SWIN, 56, Places(4, 16.0, 7.5)),
        (VIT, 64, Places(8, 8.0, 3.5)),
    ],
)
def test_places_are_those_that_the_strides_and_paddings_give(architecture, size, places):
    assert places_of(model_of(architecture).image, size, places.count) == places


@pytest.mark.parametrize(("architecture", "count"), [(RESNET, 40), (MOBILENET, 20), (CONVNEXT, 80)])
def test_a_place_is_the_middle_of_what_changes_it(architecture, count):
    """Truth from outside: the centre of the pixels that a position of a large map depends on, by the gradient."""
    size = 640
    # In double precision: the single one ended the process inside oneDNN, with torch 2 on this kind of CPU.
    encoder: ImageEncoder = model_of(architecture).image.double()
    picture = torch.from_numpy(np.random.default_rng(2).random((1, 1, size, size))).requires_grad_()
    middle = count // 2
    encoder.outputs(picture).last_hidden_state[0, :, middle, middle].square().sum().backward()
    changed = picture.grad[0, 0].square().sum(dim=0).nonzero().flatten()
    places = places_of(encoder, size, count)
    assert (changed[0] + changed[-1]) / 2 == pytest.approx(places.first + middle * places.step, abs=1.01)
