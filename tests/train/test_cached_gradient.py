"""A batch in chunks has the gradient of the whole batch, moves running statistics once, and needs a chunk's memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cxr_clip.errors import TrainingError
from cxr_clip.losses import study_contrast, weighted_sum
from cxr_clip.model.locking import lock
from cxr_clip.model.text_encoder import set_dropout
from cxr_clip.tensors import Batch, EmbeddedViews
from cxr_clip.train.cached_gradient import seed_dropout
from cxr_clip.train.chunks import in_chunks
from cxr_clip.train.step import Learnt, learn
from cxr_clip.train.training import Training
from support_chunks import STEP, SWIN, exact_training, made_up_batch, with_hard_negatives
from support_models import IMAGE
from support_programs import run_program
from support_training import STEPS, before_step, run, state_of, tiny_training


def learnt(training: Training, batch: Batch) -> tuple[Learnt, dict[str, Tensor]]:
    training.model.zero_grad(set_to_none=True)
    found = learn(training, batch, STEP, lap=lambda _part: None)
    return found, gradients_of(training)


def gradients_of(training: Training) -> dict[str, Tensor]:
    return {name: value.grad.clone() for name, value in training.model.named_parameters() if value.grad is not None}


def with_one_graph(training: Training, batch: Batch, count: int) -> dict[str, Tensor]:
    """The gradients of chunks that all keep their graphs until the loss of the whole batch is differentiated."""
    training.model.zero_grad(set_to_none=True)
    chunks = in_chunks(batch, count)
    parts = []
    for number, part in enumerate(chunks.parts):
        seed_dropout(training, STEP, number)
        parts.append(training.model(part))
    terms = study_contrast(chunks.joined(parts), training.model.scale)
    weighted_sum(terms, training.weights).backward()
    return gradients_of(training)


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-10, msg=name)


@pytest.mark.parametrize("chunks", [2, 3, 7, 20])
def test_the_gradient_is_that_of_the_whole_batch(chunks: int) -> None:
    training, batch = exact_training(SWIN, dropout=0.0), made_up_batch()
    whole, expected = learnt(training, batch)
    found, gradients = learnt(replace(training, chunks=chunks), batch)
    assert_same(gradients, expected)
    assert found.loss == pytest.approx(whole.loss, abs=1e-12)
    assert found.gradient_norm == pytest.approx(whole.gradient_norm, abs=1e-10)


@pytest.mark.parametrize("image", [{**SWIN, "drop_path_rate": 0.3}, IMAGE], ids=["dropped paths", "batch norm"])
def test_dropout_and_statistics_of_a_chunk_are_those_of_its_first_pass(image: dict[str, object]) -> None:
    training, batch = exact_training(image, dropout=0.3, chunks=3), made_up_batch()
    _, found = learnt(training, batch)
    assert_same(found, with_one_graph(training, batch, 3))
    set_dropout(training.model.text, 0.0)
    _, without = learnt(training, batch)
    assert not torch.allclose(found["text_projection.weight"], without["text_projection.weight"], atol=1e-6)


def test_two_workers_with_chunks_have_the_gradient_of_one_with_the_whole_batch(tmp_path: Path) -> None:
    run_program("support_chunks.py", tmp_path, "1x1x0", "2x3x0", "3x2x0", "1x1x2", "2x3x2", "3x1x2")
    expected, with_hard_negatives = load_file(tmp_path / "1x1x0"), load_file(tmp_path / "1x1x2")
    assert_same(load_file(tmp_path / "2x3x0"), expected)
    assert_same(load_file(tmp_path / "3x2x0"), expected)
    assert_same(load_file(tmp_path / "2x3x2"), with_hard_negatives)
    assert_same(load_file(tmp_path / "3x1x2"), with_hard_negatives)
    weight = "text_projection.weight"
    assert not torch.allclose(with_hard_negatives[weight], expected[weight], atol=1e-4)


@pytest.mark.parametrize("texts", [1, 2])
def test_hard_negatives_go_in_chunks_too(texts: int) -> None:
    training, both = exact_training(SWIN, dropout=0.0), made_up_batch()
    batch = with_hard_negatives(replace(both, texts=both.texts[:texts]), 2)
    whole, expected = learnt(training, batch)
    found, gradients = learnt(replace(training, chunks=3), batch)
    assert_same(gradients, expected)
    assert found.loss == pytest.approx(whole.loss, abs=1e-12)
    without, _ = learnt(training, replace(batch, hard_negatives=None))
    assert whole.loss > without.loss


def test_hard_negatives_that_are_all_absent_leave_loss_and_gradient_alone() -> None:
    training, batch = exact_training(SWIN, dropout=0.0), made_up_batch()
    turned = with_hard_negatives(batch, 1)
    assert turned.hard_negatives is not None
    nobody = replace(turned.hard_negatives, there=torch.zeros_like(turned.hard_negatives.there))
    without, expected = learnt(training, batch)
    found, gradients = learnt(training, replace(batch, hard_negatives=nobody))
    assert found.loss == pytest.approx(without.loss, abs=1e-12)
    assert_same(gradients, expected)


def test_plain_clip_goes_in_chunks_too() -> None:
    training, both = exact_training(SWIN, dropout=0.0), made_up_batch()
    batch = replace(both, images=both.images[:1], texts=both.texts[:1])
    _, expected = learnt(training, batch)
    _, found = learnt(replace(training, chunks=3), batch)
    assert_same(found, expected)


def test_a_locked_tower_goes_in_chunks_too() -> None:
    training, batch = exact_training(SWIN, dropout=0.0), made_up_batch()
    lock(training.model.image)
    training.model.image_projection.requires_grad_(False)
    _, expected = learnt(training, batch)
    _, found = learnt(replace(training, chunks=3), batch)
    assert "image_projection.weight" not in found
    assert_same(found, expected)


def batch_norms(training: Training) -> list[nn.BatchNorm2d]:
    return [module for module in training.model.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
def test_running_statistics_move_once_to_the_mean_of_the_chunks(momentum: float | None) -> None:
    training, batch = exact_training(IMAGE, dropout=0.0, chunks=3), made_up_batch()
    layers = batch_norms(training)
    for layer in layers:
        layer.momentum = momentum
    share = 1.0 if momentum is None else momentum  # without a momentum the first batch is all there is
    before = [(layer.running_mean.clone(), layer.running_var.clone()) for layer in layers]
    seen: list[list[tuple[Tensor, Tensor]]] = [[] for _ in layers]

    def note(number: int) -> Callable[..., None]:
        def hook(_layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if torch.is_grad_enabled():
                variance, mean = torch.var_mean(inputs[0].detach(), dim=(0, 2, 3))
                seen[number].append((mean, variance))

        return hook

    for number, layer in enumerate(layers):
        layer.register_forward_pre_hook(note(number))
    learnt(training, batch)
    for layer, (mean, variance), chunks in zip(layers, before, seen, strict=True):
        assert len(chunks) == 3
        means = torch.stack([chunk[0] for chunk in chunks]).mean(dim=0)
        variances = torch.stack([chunk[1] for chunk in chunks]).mean(dim=0)
        torch.testing.assert_close(layer.running_mean, (1 - share) * mean + share * means)
        torch.testing.assert_close(layer.running_var, (1 - share) * variance + share * variances)
        assert int(layer.num_batches_tracked) == 1
        assert layer.momentum == momentum


@pytest.mark.parametrize("bf16", [False, True])
def test_the_second_pass_has_the_embeddings_of_the_first_bit_for_bit(bf16: bool) -> None:
    training = replace(exact_training(IMAGE, dropout=0.2, chunks=3), bf16=bf16)
    training.model.float()
    passes: list[EmbeddedViews] = []
    training.model.register_forward_hook(lambda _model, _inputs, views: passes.append(views))
    learnt(training, made_up_batch())
    assert len(passes) == 6
    for first, second in zip(passes[:3], passes[3:], strict=True):
        for one, other in zip((*first.images, *first.texts), (*second.images, *second.texts), strict=True):
            assert not one.requires_grad
            assert other.requires_grad
            assert torch.equal(one, other)


def test_the_encoders_never_see_more_than_a_chunk() -> None:
    training = exact_training(IMAGE, dropout=0.0, chunks=4)
    sizes: list[tuple[int, ...]] = []

    def note(_model: nn.Module, inputs: tuple[Batch, ...]) -> None:
        batch = inputs[0]
        sizes.append((len(batch.images[0]), len(batch.images[1]), sum(len(text.ids) for text in batch.texts)))

    training.model.register_forward_pre_hook(note)
    learnt(training, made_up_batch(8))
    assert sizes == [(2, 2, 4)] * 8


def test_clipping_acts_on_the_gradient_of_the_whole_batch() -> None:
    training, batch = exact_training(SWIN, dropout=0.0, chunks=3), made_up_batch()
    clipped = replace(training, pace=replace(training.pace, clip_norm=0.01))
    found, gradients = learnt(clipped, batch)
    assert found.gradient_norm > 0.01
    total = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    assert float(total) == pytest.approx(0.01, rel=1e-3)


def test_a_loss_that_is_not_finite_is_refused_before_the_second_pass() -> None:
    training = exact_training(SWIN, dropout=0.0, chunks=3)
    training.model.log_scale.data.fill_(torch.nan)
    with pytest.raises(TrainingError, match="the loss of step 5 is not finite"):
        learn(training, made_up_batch(), STEP, lap=lambda _part: None)
    assert gradients_of(training) == {}


def test_a_run_in_chunks_continues_to_the_same_weights(tmp_path: Path) -> None:
    class Interruption(BaseException):
        pass

    def interrupt() -> None:
        raise Interruption

    def training() -> Training:
        return replace(tiny_training(), chunks=2)

    straight, continued = training(), training()
    (tmp_path / "straight").mkdir()
    (tmp_path / "broken").mkdir()
    run(straight, tmp_path / "straight")
    with pytest.raises(Interruption):
        run(before_step(training(), STEPS - 3, interrupt), tmp_path / "broken")
    run(continued, tmp_path / "broken")
    expected = state_of(straight)
    assert all(torch.equal(value, expected[name]) for name, value in state_of(continued).items())
