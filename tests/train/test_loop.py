"""The training loop learns, continues exactly, stops at what is not finite, and says where its time went."""

import itertools
import json
import math
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from cxr_clip.errors import CheckpointError, TrainingError, TrainingStoppedError
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import Batch
from cxr_clip.train.loop import TrainResult
from cxr_clip.train.state import load_state
from cxr_clip.train.training import Training
from support_training import STEPS, before_step, run, state_of, tiny_training

# Coverage warns in every forked process that what was imported before is not measured there.
forks = pytest.mark.filterwarnings("ignore:Module cxr_clip was previously imported")


class Interruption(BaseException):
    """Stands for Ctrl-C."""


def interrupt() -> None:
    raise Interruption


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def log_of(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def straight_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("straight")


@pytest.fixture(scope="module")
def straight(straight_folder: Path) -> tuple[Training, TrainResult]:
    training = tiny_training()
    return training, run(training, straight_folder)


def terminate_all() -> None:
    """As a batch system ends a job: SIGTERM to each of its processes, from outside (from a parent loaders take it)."""
    loaders = [str(one.pid) for one in multiprocessing.active_children()]
    subprocess.run(["kill", "-TERM", *loaders, str(os.getpid())], check=True)


@forks
@pytest.mark.parametrize("processes", [0, 2])
def test_a_run_asked_to_end_keeps_its_step_and_continues_from_there(
    straight: tuple[Training, TrainResult], processes: int, tmp_path: Path
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingStoppedError, match=r"after step 3 of 9, which .*resume\.safetensors holds: the same"):
        run(before_step(tiny_training(processes=processes), 2, terminate_all), tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before
    continued = tiny_training(initial_seed=1)
    assert load_state(tmp_path / "resume.safetensors", continued.model, continued.optimizer).step == 3
    result = run(continued, tmp_path)
    assert same(state_of(continued), state_of(straight[0]))
    assert (result.state, result.steps) == (straight[1].state, STEPS - 3)


def test_a_run_asked_to_end_in_its_last_step_has_ended(straight: tuple[Training, TrainResult], tmp_path: Path) -> None:
    assert run(before_step(tiny_training(), STEPS - 1, terminate_all), tmp_path).state == straight[1].state


def test_a_validation_that_is_not_finite_keeps_no_weights(tmp_path: Path) -> None:
    training = tiny_training()

    def spoiled() -> Iterable[Batch]:
        with torch.no_grad():
            training.model.log_scale.fill_(math.nan)
        return training.validation_batches()

    with pytest.raises(TrainingError, match=r"the validation after step 3 is not finite.* A checkpoint kept before"):
        run(replace(training, validation_batches=spoiled), tmp_path)
    assert not (tmp_path / "weights.safetensors").exists()
    assert load_state(tmp_path / "resume.safetensors", training.model, training.optimizer).step == 2


@pytest.mark.parametrize("step", range(STEPS))
def test_an_interrupted_run_continues_to_the_same_weights(
    straight: tuple[Training, TrainResult], step: int, tmp_path: Path
) -> None:
    with pytest.raises(Interruption):
        run(before_step(tiny_training(), step, interrupt), tmp_path)
    # Before the first checkpoint there is nothing to continue; after it the start must not count.
    continued = tiny_training(initial_seed=0 if step < 2 else 77)
    result = run(continued, tmp_path)
    assert same(state_of(continued), state_of(straight[0]))
    assert result.state == straight[1].state
    learning = [line for line in log_of(tmp_path) if line["kind"] == "train"]
    assert [line["step"] for line in learning] == list(range(1, STEPS + 1))


@forks
def test_loader_processes_do_not_change_the_weights(straight: tuple[Training, TrainResult], tmp_path: Path) -> None:
    parallel = tiny_training(processes=2)
    run(parallel, tmp_path)
    assert same(state_of(parallel), state_of(straight[0]))


def test_a_finished_run_stays_as_it_is(straight: tuple[Training, TrainResult], straight_folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in straight_folder.iterdir()}
    result = run(tiny_training(initial_seed=5), straight_folder)
    assert {path.name: path.read_bytes() for path in straight_folder.iterdir()} == before
    assert (result.state, result.images) == (straight[1].state, 0)


def test_the_log_has_every_figure(straight: tuple[Training, TrainResult], straight_folder: Path) -> None:
    lines = log_of(straight_folder)
    learning = [line for line in lines if line["kind"] == "train"]
    assert [line["step"] for line in lines if line["kind"] == "validate"] == [3, 6, 9]
    for line in learning:
        assert line["loss"] == pytest.approx(
            line["image_text"] + line["image_image"] + 0.5 * line["text_text"], rel=1e-5
        )
        assert line["learning_rate"] == straight[0].learning_rate(line["step"] - 1)
        assert line["scale"] > 1
        assert line["gradient_norm"] > 0
        assert line["images_per_second"] > 0
        assert 0 <= line["data_share"] <= 1
    assert [line["epoch"] for line in learning[:3]] == [0.3333, 0.6667, 1.0]


def test_time_is_told_in_parts_that_sum_up(straight: tuple[Training, TrainResult], straight_folder: Path) -> None:
    spent = straight[1].spent
    logged = [line for line in log_of(straight_folder) if line["kind"] == "time"]
    assert [line["step"] for line in logged] == [STEPS]
    parts = {key: value for key, value in logged[0].items() if key not in ("step", "epoch", "kind")}
    assert parts == vars(spent)
    assert spent.total == pytest.approx(sum(parts.values()))
    assert all(seconds > 0 for seconds in parts.values())
    assert straight[1].images == STEPS * 4 * 2


def test_the_best_weights_are_those_of_the_best_validation(
    straight: tuple[Training, TrainResult], straight_folder: Path, tmp_path: Path
) -> None:
    best = straight[1].state.best_step
    assert best in (3, 6, 9)
    training = tiny_training()
    first = replace(
        training,
        pace=replace(training.pace, total_steps=best),
        batches_from=lambda start: itertools.islice(training.batches_from(start), best - start),
    )
    run(first, tmp_path)
    assert same(first.model.state_dict(), load_file(straight_folder / "weights.safetensors"))


def test_without_validation_the_last_weights_are_kept(straight: tuple[Training, TrainResult], tmp_path: Path) -> None:
    training = replace(tiny_training(), validation_batches=None)
    result = run(training, tmp_path)
    assert result.validation is None
    assert result.state.best_step is None
    assert same(load_file(tmp_path / "weights.safetensors"), training.model.state_dict())
    # Validation leaves no trace in the training.
    assert same(training.model.state_dict(), straight[0].model.state_dict())


def test_it_learns_to_tell_one_batch_apart(tmp_path: Path) -> None:
    training = tiny_training()
    one_batch = next(iter(training.batches_from(0)))
    again = replace(
        training,
        batches_from=lambda start: [one_batch] * (60 - start),
        learning_rate=lambda _step: 0.01,
        validation_batches=None,
        weights=LossWeights(image_text=1.0, image_image=1.0, text_text=0.0),
        pace=replace(training.pace, total_steps=60, log_steps=59, checkpoint_steps=60),
    )
    run(again, tmp_path)
    losses = {line["step"]: line["loss"] for line in log_of(tmp_path) if line["kind"] == "train"}
    assert losses[60] < 0.5 * math.log(4) * 2


def poison_scale(training: Training) -> None:
    training.model.log_scale.data.fill_(math.nan)


def poison_gradient(training: Training) -> None:
    training.model.image_projection.weight.register_hook(lambda gradient: gradient * math.inf)


@pytest.mark.parametrize(("poison", "what"), [(poison_scale, "loss"), (poison_gradient, "gradient")])
def test_what_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    poison: Callable[[Training], None], what: str, tmp_path: Path
) -> None:
    training = tiny_training()
    with pytest.raises(TrainingError, match=rf"the {what} of step 5 is not finite \(image_text .*studies .*: t\d+, t"):
        run(before_step(training, 5, lambda: poison(training)), tmp_path)
    kept = tiny_training(initial_seed=1)
    state = load_state(tmp_path / "resume.safetensors", kept.model, kept.optimizer)
    assert state.step == 4
    assert all(bool(value.isfinite().all()) for value in state_of(kept).values())


def test_clipping_limits_what_one_step_changes(tmp_path: Path) -> None:
    training = tiny_training()
    groups = [{**group, "weight_decay": 0.0} for group in training.optimizer.param_groups]
    plain = torch.optim.SGD([{"params": group["params"], "factor": 1.0} for group in groups], lr=1.0)
    before = {name: value.detach().clone() for name, value in training.model.named_parameters()}
    one_step = replace(
        training,
        optimizer=plain,
        learning_rate=lambda _step: 2.0,
        batches_from=lambda start: [next(iter(training.batches_from(start)))],
        pace=replace(training.pace, total_steps=1, clip_norm=0.05),
    )
    run(one_step, tmp_path)
    moved = torch.stack([(value - before[name]).norm() for name, value in training.model.named_parameters()]).norm()
    assert float(moved.detach()) == pytest.approx(2.0 * 0.05, rel=1e-3)
    assert log_of(tmp_path)[0]["gradient_norm"] > 0.05


def test_half_precision_keeps_weights_whole_and_losses_close(
    straight: tuple[Training, TrainResult], straight_folder: Path, tmp_path: Path
) -> None:
    training = replace(tiny_training(), bf16=True)
    run(training, tmp_path)
    assert all(parameter.dtype == torch.float32 for parameter in training.model.parameters())
    first, exact = log_of(tmp_path)[0]["loss"], log_of(straight_folder)[0]["loss"]
    assert first == pytest.approx(exact, rel=0.05)
    assert first != exact


def test_the_first_loss_is_that_of_the_formula(straight_folder: Path, straight: object) -> None:
    training = tiny_training()
    batch: Batch = next(iter(training.batches_from(0)))
    torch.manual_seed(3 * 1_000_003)  # the dropout of step 0 of seed 3
    views = training.model.train()(batch)
    loss = weighted_sum(study_contrast(views, training.model.scale), LossWeights())
    assert log_of(straight_folder)[0]["loss"] == float(loss.detach())


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    run(tiny_training(), tmp_path)
    other = tiny_training()
    other.model.image_projection = torch.nn.Linear(16, 7)
    with pytest.raises(CheckpointError, match=r"resume\.safetensors cannot be continued from"):
        run(other, tmp_path)
