"""Checkpoints in the background: what was true when they were taken, and a full disk ends the run in words."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from cxr_clip import tensor_files
from cxr_clip.errors import TrainingError
from cxr_clip.train.keeping import Copies, Keeper
from cxr_clip.train.state import TrainState, load_state
from support_training import before_step, run, state_of, tiny_training


@pytest.fixture
def slow_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Nothing gets on the disk before this is set."""
    write, ready = tensor_files.save_file, threading.Event()

    def wait_and_write(*arguments: object) -> None:
        ready.wait()
        write(*arguments)

    monkeypatch.setattr(tensor_files, "save_file", wait_and_write)
    return ready


def test_a_checkpoint_is_what_it_was_when_it_was_taken(tmp_path: Path, slow_disk: threading.Event) -> None:
    training, resume, weights = tiny_training(), tmp_path / "resume", tmp_path / "weights"
    model, optimizer = training.model, training.optimizer
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    then = {name: value.clone() for name, value in state_of(training).items()}
    with Keeper(resume, weights, first=lambda: None) as keeper:
        keeper.keep(TrainState(step=1), model, optimizer, best=True, resumable=True)
        optimizer.step()
        slow_disk.set()
    other = tiny_training(initial_seed=7)
    assert load_state(resume, other.model, other.optimizer).step == 1
    assert all(torch.equal(value, then[name]) for name, value in state_of(other).items())
    assert all(torch.equal(value, then[name]) for name, value in load_file(weights).items())


def test_steps_go_on_while_a_checkpoint_is_written(tmp_path: Path, slow_disk: threading.Event) -> None:
    # The checkpoint of step 2 waits until step 4 is about to be taken: a loop that held still would never get there.
    training = before_step(replace(tiny_training(), validation_batches=None), 3, slow_disk.set)
    assert run(training, tmp_path).state.step == 9


def test_best_weights_are_on_the_disk_before_the_state_that_knows_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = tensor_files.save_file
    monkeypatch.setattr(tensor_files, "save_file", lambda *given: (written.append(given[1].name), write(*given)))
    training = tiny_training()
    with Keeper(tmp_path / "resume", tmp_path / "weights", first=lambda: written.append("log")) as keeper:
        keeper.keep(TrainState(step=1), training.model, training.optimizer, best=True, resumable=True)
        keeper.keep(TrainState(step=2), training.model, training.optimizer, best=False, resumable=False)
        keeper.keep(TrainState(step=3), training.model, training.optimizer, best=False, resumable=True)
    assert written == ["log", "weights.partial", "resume.partial", "log", "resume.partial"]


def test_a_full_disk_ends_the_run_with_a_sentence_and_the_run_continues_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("straight", "full"):
        (tmp_path / folder).mkdir()
    run(straight := tiny_training(), tmp_path / "straight")
    write, name = tensor_files.save_file, "resume.safetensors"

    def full(tensors: object, path: Path, metadata: dict[str, str]) -> None:
        if '"step": 4' in metadata.get("state", ""):
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device", str(path))
        write(tensors, path, metadata)

    with monkeypatch.context() as patched:
        patched.setattr(tensor_files, "save_file", full)
        with pytest.raises(TrainingError, match=r"of step 4 cannot be written into .*No space left.*make room"):
            run(tiny_training(), tmp_path / "full")
    assert not list((tmp_path / "full").glob("*.partial"))
    with safe_open(tmp_path / "full" / name, framework="pt") as file:
        assert json.loads(file.metadata()["state"])["step"] == 2
    run(again := tiny_training(initial_seed=5), tmp_path / "full")
    assert all(torch.equal(value, state_of(straight)[key]) for key, value in state_of(again).items())


def test_copies_use_their_memory_again_and_follow_a_change_of_shape() -> None:
    copies = Copies()
    first = copies.take({"a": torch.ones(3), "b": torch.tensor(2)})
    second = copies.take({"a": torch.zeros(3)})
    assert first["a"].data_ptr() == second["a"].data_ptr()
    assert second["a"].tolist() == [0, 0, 0]
    assert copies.take({"a": torch.ones(2, 2).T})["a"].is_contiguous()
