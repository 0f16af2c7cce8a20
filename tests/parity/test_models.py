"""Models of the published code, Swin and ResNet-50: features, embeddings, loss and the gradient of every parameter."""

import copy
import hashlib
import importlib.util
from functools import partial

import numpy as np
import pytest
import torch

from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.image_encoder import image_encoder_from_folder
from cxr_clip.model.text_encoder import text_encoder_from_folder, trimmed
from cxr_clip.tensors import Batch, Tokens
from support_golden_models import checkpoint, our_names, published_model

pytestmark = pytest.mark.shared
MODELS = {"swin": "model_swin_trainer", "resnet": "model_resnet_recipe"}
READS = {
    "standins/bert_tiny/config.json": ("*",),
    "standins/swin_small/config.json": ("*",),
    "standins/bert_tiny/pytorch_model.bin": (),
    "standins/swin_small/pytorch_model.bin": (),
    "model_resnet_recipe/recipe.py": (),
    "model_swin_trainer/model-best.tar": (),
    **{f"{folder}/io.npz": ("*",) for folder in MODELS.values()},
    **{f"{folder}/eval_mode_grads.json": ("*",) for folder in MODELS.values()},
    **{f"{folder}/state_dict_index.json": ("*",) for folder in MODELS.values()},
    **{f"{folder}/info.json": ("loss_total", "n_parameters", "no_grad_parameters") for folder in MODELS.values()},
}


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS.keys())
def folder(request):
    return request.param


@pytest.fixture(scope="module")
def recorded(golden, folder):
    return golden.arrays(f"{folder}/io.npz")


@pytest.fixture(scope="module")
def weights(golden, folder):
    """The published weights: those that were trained, or those that follow from their names."""
    index = golden.facts(f"{folder}/state_dict_index.json")
    if folder == MODELS["swin"]:
        found = checkpoint(golden.path(f"{folder}/model-best.tar"))["model"]
    else:
        description = importlib.util.spec_from_file_location("recipe_of_weights", golden.path(f"{folder}/recipe.py"))
        module = importlib.util.module_from_spec(description)
        description.loader.exec_module(module)
        made = {name: module.tensor_for(name, tuple(one["shape"])) for name, one in index.items()}
        found = {
            name: torch.from_numpy(np.ascontiguousarray(value)).reshape(value.shape) for name, value in made.items()
        }
    for name, one in index.items():
        assert hashlib.sha256(found[name].numpy().tobytes()).hexdigest() == one["sha256"], name
        assert (list(found[name].shape), str(found[name].dtype)) == (one["shape"], one["dtype"]), name
    assert found.keys() == index.keys()
    return found


@pytest.fixture(scope="module")
def model(golden, folder, weights):
    standins = golden.path("standins/bert_tiny/config.json").parents[1]
    return published_model(weights, standins, resnet=folder == MODELS["resnet"])


def tokens_of(recorded, which):
    return Tokens(*(torch.from_numpy(recorded[f"{which}_{part}"]) for part in ("input_ids", "attention_mask")))


@pytest.fixture(scope="module")
def batch(recorded):
    images = tuple(torch.from_numpy(recorded[key][:, None, :, :, 0]) for key in ("images_u8", "views_u8"))
    texts = (tokens_of(recorded, "tokens1"), tokens_of(recorded, "tokens2"))
    return Batch(images=images, texts=texts, study_ids=("0", "1", "2", "3"))


def loss_with_gradients(model, batch):
    model.zero_grad()
    total = weighted_sum(study_contrast(model(batch), model.scale), LossWeights())
    total.backward()
    return total.detach()


@pytest.fixture(scope="module")
def learnt(model, batch):
    """The total loss, whose gradients lie in the model."""
    return loss_with_gradients(model, batch)


@pytest.fixture(scope="module")
def exact(model, batch):
    """The model in float64, with the gradients of the total loss."""
    doubled = copy.deepcopy(model).double()
    loss_with_gradients(doubled, batch)
    return doubled


def close(ours, theirs, tolerance):
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=0, atol=tolerance)


@torch.no_grad()
def test_the_normalised_input_is_the_recorded_one(model, batch, recorded):
    for which, images in zip(("images", "views"), batch.images, strict=True):
        assert (recorded[f"{which}_u8"] == recorded[f"{which}_u8"][..., :1]).all()
        assert np.array_equal(model.image._normalised(images).numpy(), recorded[which])


@torch.no_grad()
def test_image_features_are_the_recorded_ones(model, batch, recorded):
    close(model.image(batch.images[0]), recorded["image_features"], 1e-5)
    close(model.image(batch.images[1]), recorded["view_features"], 1e-5)
    close(model.image_projection(model.image(batch.images[0])), recorded["image_projected"], 1e-5)
    if "image_last_hidden_state" in recorded:
        hidden = model.image.backbone(model.image._normalised(batch.images[0])).last_hidden_state
        close(hidden, recorded["image_last_hidden_state"], 1e-5)


@torch.no_grad()
def test_text_features_are_the_recorded_ones(model, batch, recorded):
    close(model.text(batch.texts[0]), recorded["text_features"], 1e-5)
    close(model.text(batch.texts[1]), recorded["text_features2"], 1e-5)
    close(model.text_projection(model.text(batch.texts[0])), recorded["text_projected"], 1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("pooling", "key"), [
    ("eos", "text_features_padded_longest"), ("cls", "text_features_bos"), ("mean", "text_features_mean")
])  # fmt: skip
def test_every_pooling_of_texts_padded_to_the_longest_is_the_recorded_one(model, batch, recorded, pooling, key):
    longest = trimmed(batch.texts[0], torch.arange(4))
    assert np.array_equal(longest.ids.numpy(), recorded["tokens1_longest_input_ids"])
    model.text.pooling = pooling
    try:
        close(model.text(longest), recorded[key], 1e-5)
    finally:
        model.text.pooling = "eos"
    hidden = model.text.backbone(input_ids=longest.ids, attention_mask=longest.mask).last_hidden_state
    shown = longest.mask.bool().numpy()
    np.testing.assert_allclose(
        hidden.numpy()[shown], recorded["text_last_hidden_state_longest"][shown], rtol=0, atol=1e-5
    )


@torch.no_grad()
@pytest.mark.parametrize("buckets", [None, 1, 4])
def test_embeddings_are_the_recorded_ones(model, batch, recorded, buckets):
    model.buckets = buckets
    views = model(batch)
    model.buckets = None
    close(views.images[0], recorded["out_image_embeddings"], 1e-6)
    close(views.images[1], recorded["out_image_view_embeddings"], 1e-6)
    close(views.texts[0], recorded["out_text_embeddings"], 1e-6)
    close(views.texts[1], recorded["out_text_embeddings2"], 1e-6)
    close(model.scale, recorded["out_logit_scale"][None], 1e-5)
    assert recorded["out_labels"].tolist() == [0, 1, 2, 3]


def test_the_loss_is_the_recorded_one(golden, folder, learnt, recorded):
    close(learnt, recorded["loss_total"], 1e-5)
    close(learnt, golden.facts(f"{folder}/info.json")["loss_total"], 1e-5)


def test_whole_gradients_are_the_recorded_ones(model, learnt, recorded):
    close(model.log_scale.grad, recorded["grad_logit_scale_param"][None], 1e-4)
    close(model.text_projection.weight.grad, recorded["grad_text_projection_weight_f32"], 1e-6)


def test_the_gradient_of_every_parameter_has_the_recorded_size(golden, folder, exact, weights):
    figures = golden.facts(f"{folder}/eval_mode_grads.json")
    without = {name for name, figure in figures.items() if figure is None}
    assert without == set(golden.facts(f"{folder}/info.json")["no_grad_parameters"])
    named = our_names(figures.keys() | weights.keys(), exact)
    gradients = {name: parameter.grad for name, parameter in exact.named_parameters()}
    assert {named[name] for name in figures.keys() - without} == gradients.keys()
    for name in figures.keys() - without:
        gradient, figure = gradients[named[name]], figures[name]
        # Ours are of float64 and the same on every machine: what is left is the rounding of the recorded float32,
        # which ResNet's hundred layers amplify; a bias of keys has no gradient but rounding.
        assert float(gradient.norm()) == pytest.approx(figure["norm"], rel=1e-3, abs=1e-6), name
        assert float(gradient.abs().max()) == pytest.approx(figure["absmax"], rel=4e-3, abs=1e-6), name
        # Independent errors of n elements add up to their size times the root of n.
        rounding = 1e-3 * figure["norm"] * gradient.numel() ** 0.5
        assert float(gradient.sum()) == pytest.approx(figure["sum"], abs=rounding + 1e-6), name


def test_gradients_of_single_precision_are_those_of_double(model, exact, learnt):
    doubles = dict(exact.named_parameters())
    for name, parameter in model.named_parameters():
        gradient = doubles[name].grad
        # Which elements a machine rounds which way decides over single ReLUs: 0.5 % was the largest seen.
        assert float((parameter.grad - gradient).norm()) <= 2e-2 * float(gradient.norm()) + 1e-6, name


@pytest.mark.parametrize(("tower", "name", "load"), [
    ("image", "swin_small", partial(image_encoder_from_folder, pooling="first")),
    ("text", "bert_tiny", partial(text_encoder_from_folder, pooling="eos")),
])  # fmt: skip
def test_weights_written_by_an_older_transformers_load_in_their_places(golden, tower, name, load):
    path = golden.path(f"standins/{name}/pytorch_model.bin")
    stored = {
        f"{tower}_encoder.{tower}_encoder.{key}": value for key, value in torch.load(path, weights_only=True).items()
    }
    encoder = load(str(path.parent))
    named = our_names(stored, encoder, within=f"{tower}.")
    ours = encoder.state_dict()
    assert {place.removeprefix(f"{tower}.") for place in named.values()} == ours.keys()
    for theirs, place in named.items():
        assert torch.equal(ours[place.removeprefix(f"{tower}.")], stored[theirs])


def test_no_parameter_is_forgotten(golden, folder, weights):
    trained = golden.facts(f"{folder}/eval_mode_grads.json")
    count = golden.facts(f"{folder}/info.json")["n_parameters"]
    assert sum(weights[name].numel() for name in trained) == count
