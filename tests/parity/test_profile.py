"""A recipe of the published profile trains with the settings that the published checkpoints carry."""

import pytest

from cxr_clip.model.freezing import trainable_groups
from cxr_clip.recipe import Recipe
from support_golden_models import checkpoint, published_model

pytestmark = pytest.mark.shared
READS = {
    "model_swin_trainer/model-best.tar": (),
    "model_resnet_recipe/model-best.skeleton.tar": (),
    "model_swin_trainer/eval_mode_grads.json": ("*",),
    "model_resnet_recipe/eval_mode_grads.json": ("*",),
    "standins/bert_tiny/config.json": ("*",),
}
SWIN, RESNET = ("model_swin_trainer", "model-best.tar"), ("model_resnet_recipe", "model-best.skeleton.tar")
IMAGES = {SWIN: {"pretrained": "swin-tiny"}, RESNET: {"pretrained": "resnet50"}}


@pytest.fixture(scope="module", params=(SWIN, RESNET), ids=("swin", "resnet"))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def recorded(golden, kind):
    return checkpoint(golden.path("/".join(kind)))


@pytest.fixture(scope="module")
def recipe(kind):
    model = {"image": IMAGES[kind], "text": {"pretrained": "bio-clinical-bert"}}
    data = {"sources": [{"manifest": "somewhere"}]}
    return Recipe.model_validate({"name": "published", "profile": "published", "data": data, "model": model})


def test_settings_are_the_recorded_ones(recorded, recipe):
    theirs, base = recorded["config"], recorded["config"]["base"]
    loss = theirs["loss"]["cxr_clip"]
    assert (recipe.loss.image_image, recipe.loss.text_text) == (loss["i2i_weight"], loss["t2t_weight"])
    assert loss["label_smoothing"] == 0
    assert (recipe.data.image_size, recipe.data.max_tokens) == (base["image_size"], base["text_max_length"])
    assert recipe.train.learning_rate == theirs["optimizer"]["config"]["lr"]
    assert recipe.train.weight_decay == theirs["optimizer"]["config"]["weight_decay"]
    assert recipe.train.warmup_epochs == theirs["scheduler"]["config"]["warmup_epochs"]
    assert recipe.model.temperature == theirs["model"]["temperature"]
    assert recipe.model.embedding_size == theirs["model"]["projection_head"]["proj_dim"]
    assert recipe.model.text.pooling == theirs["model"]["text_encoder"]["pooling"]
    assert (base["loss_best"], recipe.train.best_by) == ("contrastive", "loss")
    augment, transforms = recipe.data.augment, theirs["transform"]["train"]
    assert augment.clahe_clip == transforms["CLAHE"]["clip_limit"]
    jitter = transforms["ColorJitter"]
    assert (augment.brightness, augment.contrast) == (jitter["brightness"], jitter["contrast"])


def test_the_pooling_of_images_is_theirs(kind, recipe):
    assert recipe.model.image.pooling == ("first" if kind == SWIN else "mean")


def test_all_parameters_decay_alike(golden, kind, recorded, recipe):
    (group,) = recorded["optimizer"]["param_groups"]
    parameters = golden.facts(f"{kind[0]}/eval_mode_grads.json")
    assert len(group["params"]) == len(parameters)
    assert (group["initial_lr"], group["betas"], group["eps"]) == (5e-5, (0.9, 0.999), 1e-8)
    if kind == SWIN:
        standins = golden.path("standins/bert_tiny/config.json").parents[1]
        model = published_model(recorded["model"], standins, resnet=False)
        ours = trainable_groups(model, recipe.train.weight_decay, decay_on=recipe.train.weight_decay_on)
        assert {one["weight_decay"] for one in ours} == {group["weight_decay"]}
        # The pooler behind BERT, which nothing uses, is not in ours.
        assert sum(len(one["params"]) for one in ours) == len(parameters) - 2
