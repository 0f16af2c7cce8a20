"""Towers that train in part or not at all."""

import copy

import pytest
import torch

from cxr_clip.errors import RecipeError
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.freezing import freeze, trainable_groups
from cxr_clip.model.locking import lock, train_last
from cxr_clip.tensors import Batch
from support_memory import kept_bytes


@pytest.fixture
def batch(grey_images, padded_tokens) -> Batch:
    texts = (padded_tokens([4, 9, 2], seed=1), padded_tokens([20, 3, 5], seed=2))
    return Batch(images=(grey_images(3, seed=1), grey_images(3, seed=2)), texts=texts, study_ids=("a", "b", "c"))


def changed_in_a_step(model, batch: Batch) -> set[str]:
    """What of the state one step changes."""
    before = copy.deepcopy(model.state_dict())
    optimiser = torch.optim.AdamW(trainable_groups(model, 0.1), lr=0.01)
    weighted_sum(study_contrast(model.train()(batch), model.scale), LossWeights()).backward()
    optimiser.step()
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("tower", ["image", "text"])
def test_a_step_changes_nothing_of_a_locked_tower(dual_encoder, batch, tower: str) -> None:
    lock(getattr(dual_encoder, tower))
    changed = changed_in_a_step(dual_encoder, batch)
    assert {name.split(".")[0] for name in changed} == {
        "image",
        "text",
        "image_projection",
        "text_projection",
        "log_scale",
    } - {tower}


def test_a_locked_tower_gives_one_feature_for_one_input_and_keeps_nothing(
    dual_encoder, grey_images, padded_tokens
) -> None:
    for tower, given in ((dual_encoder.image, grey_images(4)), (dual_encoder.text, padded_tokens([4, 20, 3]))):
        assert kept_bytes(lambda tower=tower, given=given: tower(given)) > 0
        expected = tower.eval()(given).detach()
        lock(tower)
        dual_encoder.train()
        features = tower(given)
        assert not features.requires_grad
        assert torch.equal(features, expected)
        assert kept_bytes(lambda tower=tower, given=given: tower(given)) == 0


def test_the_last_stages_train_and_what_lies_before_them_stands_still(dual_encoder, batch) -> None:
    train_last(dual_encoder.image, 1)
    changed = {name for name in changed_in_a_step(dual_encoder, batch) if name.startswith("image.")}
    assert changed == {
        name for name in dual_encoder.state_dict() if name.startswith("image.backbone.encoder.stages.3.")
    }


def test_the_last_layers_train_and_the_embeddings_do_not(dual_encoder, batch) -> None:
    train_last(dual_encoder.text, 1)
    names = {name for name, weight in dual_encoder.text.named_parameters() if weight.requires_grad}
    assert {name.split(".encoder.")[1].split(".")[1] for name in names} == {"1"}
    changed = {name for name in changed_in_a_step(dual_encoder, batch) if name.startswith("text.")}
    assert changed == {f"text.{name}" for name in names}


def test_no_dropout_in_what_stands_still(dual_encoder, padded_tokens) -> None:
    train_last(dual_encoder.text, 1)
    seen = []
    dual_encoder.text.backbone.encoder.layer[1].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for _ in range(2):
        dual_encoder.train().text(padded_tokens([7, 7]))
    assert torch.equal(*seen)
    assert dual_encoder.text.backbone.encoder.layer[1].training


def test_fewer_layers_that_train_keep_less(dual_encoder, padded_tokens) -> None:
    tokens = padded_tokens([12, 12])
    kept = [kept_bytes(lambda: dual_encoder.text(tokens))]
    for count in (2, 1):
        train_last(dual_encoder.text, count)
        kept.append(kept_bytes(lambda: dual_encoder.text(tokens)))
    assert kept[0] > kept[1] > kept[2]


def test_more_layers_than_there_are_is_refused(dual_encoder) -> None:
    with pytest.raises(RecipeError, match=r"model\.text\.train=3: BertModel has 2 layers; give 1 to 2, all or locked"):
        train_last(dual_encoder.text, 3)
    with pytest.raises(RecipeError, match=r"model\.image\.train=5: ResNetModel has 4 stages"):
        train_last(dual_encoder.image, 5)


def test_freezing_what_stands_still_anyway_is_refused(dual_encoder) -> None:
    lock(dual_encoder.image)
    with pytest.raises(RecipeError, match=r"'image.backbone.embedder' does not train anyway"):
        freeze(dual_encoder, ["image.backbone.embedder"])


def test_a_copy_of_a_locked_tower_is_locked_too(dual_encoder, padded_tokens) -> None:
    lock(dual_encoder.text)
    twin = copy.deepcopy(dual_encoder).train()
    tokens = padded_tokens([5, 9])
    assert torch.equal(twin.text(tokens), dual_encoder.train().text(tokens))
