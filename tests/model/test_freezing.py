"""Freezing and parameter groups."""

import copy

import pytest
import torch

from cxr_clip.errors import RecipeError
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.freezing import LearningRateFactors, freeze, trainable_groups
from cxr_clip.tensors import Batch

STAGE = "image.backbone.encoder.stages.0"


def frozen_names(model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def take_a_step(model, batch) -> None:
    optimiser = torch.optim.AdamW(trainable_groups(model, 0.1), lr=0.01)
    weighted_sum(study_contrast(model(batch), model.scale), LossWeights()).backward()
    optimiser.step()


@pytest.fixture
def batch(grey_images, padded_tokens) -> Batch:
    texts = (padded_tokens([4, 9, 2], seed=1), padded_tokens([20, 3, 5], seed=2))
    return Batch(images=(grey_images(3, seed=1), grey_images(3, seed=2)), texts=texts, study_ids=("a", "b", "c"))


def test_all_that_lies_below_a_name_stops_training(dual_encoder) -> None:
    freeze(dual_encoder, ["text.backbone.embeddings", STAGE])
    assert frozen_names(dual_encoder) == {
        name for name, _ in dual_encoder.named_parameters() if name.startswith(("text.backbone.embeddings.", STAGE))
    }


def test_a_name_ends_at_a_dot(dual_encoder) -> None:
    """`layer.1` must not freeze `layer.10`, nor `image` the image projection."""
    freeze(dual_encoder, ["image"])
    assert not [name for name in frozen_names(dual_encoder) if name.startswith("image_projection")]


def test_a_single_parameter_can_be_named(dual_encoder) -> None:
    freeze(dual_encoder, ["log_scale"])
    assert frozen_names(dual_encoder) == {"log_scale"}


def test_a_step_leaves_frozen_weights_and_statistics_as_they_were(dual_encoder, batch) -> None:
    freeze(dual_encoder, [STAGE])
    before = copy.deepcopy(dual_encoder.state_dict())
    take_a_step(dual_encoder.train(), batch)
    after = dual_encoder.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not [name for name in changed if name.startswith(STAGE)]
    assert "image.backbone.encoder.stages.1.layers.0.layer.0.normalization.running_mean" in changed
    assert "text_projection.weight" in changed


def test_a_copy_of_a_frozen_model_is_frozen_too(dual_encoder, batch) -> None:
    freeze(dual_encoder, [STAGE])
    twin = copy.deepcopy(dual_encoder).train()
    twin(batch)
    statistic = f"{STAGE}.layers.0.layer.0.normalization.running_mean"
    assert torch.equal(twin.state_dict()[statistic], dual_encoder.state_dict()[statistic])


def test_a_name_that_matches_nothing_names_near_ones(dual_encoder) -> None:
    with pytest.raises(RecipeError, match=r"'text.backbone.embedings'.*did you mean text\.backbone\.embeddings"):
        freeze(dual_encoder, ["text.backbone.embedings"])
    with pytest.raises(RecipeError, match="its parts are log_scale, image, text"):
        freeze(dual_encoder, ["qqqqqq"])
    assert frozen_names(dual_encoder) == set()


def test_every_trainable_parameter_is_in_one_group(dual_encoder) -> None:
    freeze(dual_encoder, ["text.backbone.embeddings"])
    grouped = [parameter for group in trainable_groups(dual_encoder, 0.1) for parameter in group["params"]]
    trainable = [parameter for parameter in dual_encoder.parameters() if parameter.requires_grad]
    assert len(grouped) == len(trainable)
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in trainable}


def test_decay_acts_on_matrices_and_kernels_only(dual_encoder) -> None:
    for group in trainable_groups(dual_encoder, 0.1):
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.1 if parameter.ndim >= 2 else 0.0)


def test_decay_acts_on_all_where_that_is_asked_for(dual_encoder) -> None:
    groups = trainable_groups(dual_encoder, 0.1, decay_on="all")
    assert {group["weight_decay"] for group in groups} == {0.1}
    assert sum(len(group["params"]) for group in groups) == len(list(dual_encoder.parameters()))


def test_each_part_has_its_own_factor(dual_encoder) -> None:
    factors = LearningRateFactors(image=0.5, text=0.1, projection=2.0)
    factor = {
        id(parameter): group["factor"]
        for group in trainable_groups(dual_encoder, 0.1, factors=factors)
        for parameter in group["params"]
    }
    for name, parameter in dual_encoder.named_parameters():
        expected = {"image": 0.5, "text": 0.1}.get(name.split(".")[0], 2.0)
        assert factor[id(parameter)] == expected


def test_a_tower_that_is_frozen_has_no_group(dual_encoder) -> None:
    freeze(dual_encoder, ["image"])
    assert {group["name"].split()[0] for group in trainable_groups(dual_encoder, 0.1)} == {"text", "projection"}


def test_a_factor_of_zero_is_refused() -> None:
    with pytest.raises(RecipeError, match="factor text is 0"):
        LearningRateFactors(text=0.0)
