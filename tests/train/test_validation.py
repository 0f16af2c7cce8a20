"""Validation agrees with a slow, obvious version and leaves the model as it was."""

from dataclasses import replace

import pytest
import torch

from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.tensors import Batch
from cxr_clip.train.validation import Validation, by_loss, by_recall, move, validate
from support_training import tiny_training

PLAIN = torch.autocast("cpu", enabled=False)


@torch.no_grad()
def slow_ranks(model: DualEncoder, batches: list[Batch]) -> list[int]:
    """Each image against each distinct text, one at a time; ties are left out of account."""
    images, texts, keys = [], [], []
    for batch in batches:
        views = model(batch)
        images += list(views.images[0])
        texts += list(views.texts[0])
        first = batch.texts[0]
        keys += [tuple(row[mask.bool()].tolist()) for row, mask in zip(first.ids, first.mask, strict=True)]
    distinct = dict(reversed(list(zip(keys, texts, strict=True))))
    ranks = []
    for image, key in zip(images, keys, strict=True):
        right = float(image @ distinct[key])
        ranks.append(1 + sum(float(image @ text) > right for other, text in distinct.items() if other != key))
    return ranks


def test_figures_are_those_of_the_slow_version() -> None:
    training = tiny_training()
    batches = list(training.validation_batches())
    assert [len(batch.study_ids) for batch in batches] == [4, 2]
    found = validate(training.model, batches, weights=LossWeights(), autocast=PLAIN, device="cpu")
    ranks = slow_ranks(training.model.eval(), batches)
    assert max(ranks) <= 3  # six studies with three distinct texts
    assert found.recall_at_1 == pytest.approx(sum(rank == 1 for rank in ranks) / 6)
    assert (found.recall_at_5, found.recall_at_10, found.studies, found.texts) == (1, 1, 6, 3)
    assert found.median_rank == sorted(ranks)[2] / 2 + sorted(ranks)[3] / 2
    model = training.model.eval()
    with torch.no_grad():
        losses = [float(weighted_sum(study_contrast(model(batch), model.scale), LossWeights())) for batch in batches]
    assert found.loss == pytest.approx((4 * losses[0] + 2 * losses[1]) / 6)


def test_chunks_do_not_change_the_figures() -> None:
    training = tiny_training(exact=True)
    model = training.model.train()
    sizes: list[int] = []
    model.image.register_forward_pre_hook(lambda _model, inputs: sizes.append(len(inputs[0])))
    whole, found = (
        validate(
            model, training.validation_batches(), weights=LossWeights(), autocast=PLAIN, device="cpu", chunks=chunks
        )
        for chunks in (1, 3)
    )
    assert found.loss == pytest.approx(whole.loss, abs=1e-12)
    assert replace(found, loss=0.0) == replace(whole, loss=0.0)
    assert sizes == [8, 4, 4, 2, 2, 2, 2]  # pictures of two views: batches of 4 and 2 studies, whole and in chunks


@pytest.mark.parametrize("learning", [True, False])
def test_the_model_stays_as_it_was(learning: bool) -> None:
    training = tiny_training()
    model = training.model.train(learning)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    validate(model, training.validation_batches(), weights=LossWeights(), autocast=PLAIN, device="cpu")
    assert model.training is learning
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def validation(*, recall: float, loss: float) -> Validation:
    return Validation(loss, recall, recall, recall, 3.0, 10, 10)


def test_recall_comes_before_loss_in_what_is_best() -> None:
    assert by_recall(validation(recall=0.2, loss=9.0)) > by_recall(validation(recall=0.1, loss=1.0))
    assert by_recall(validation(recall=0.2, loss=1.0)) > by_recall(validation(recall=0.2, loss=2.0))


def test_the_loss_alone_can_decide_what_is_best() -> None:
    assert by_loss(validation(recall=0.1, loss=1.0)) > by_loss(validation(recall=0.2, loss=9.0))


def test_a_batch_moves_whole() -> None:
    batch = next(iter(tiny_training().validation_batches()))
    moved = move(batch, "meta")
    assert {tensor.device.type for tensor in (*moved.images, *(text.ids for text in moved.texts))} == {"meta"}
    assert moved.study_ids == batch.study_ids
