"""A run folder has one training at a time; the lock of one that was killed is free at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cxr_clip.errors import TrainingError
from cxr_clip.recipe import load_recipe
from cxr_clip.train import train_run as module
from cxr_clip.train.one_training import only_training
from cxr_clip.train.train_run import train_run
from cxr_clip.train.training import Training
from support_data import write_tiny_manifest
from support_models import tiny_recipe
from support_programs import environment

# Holds the lock, forks a process that outlives it, and says that both are there.
HOLDS = """
import os, sys, time
from pathlib import Path
from cxr_clip.train.one_training import only_training

with only_training(Path(sys.argv[1])):
    if os.fork():
        print("held", flush=True)
    time.sleep(60)
"""


def held(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_training_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    folder, manifest = tmp_path / "run", write_tiny_manifest(tmp_path / "manifest")
    process = held(folder)
    try:
        with pytest.raises(TrainingError, match=r"another process trains in .*run: wait until it has ended"):
            train_run(tiny_recipe(manifest), folder, progress=False)
        assert [path.name for path in folder.iterdir()] == ["training.lock"]
        process.kill()
        process.wait()
        assert train_run(tiny_recipe(manifest), folder, progress=False).result.state.step == 4
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_run_that_appears_while_another_begins_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, manifest, make = tmp_path / "run", write_tiny_manifest(tmp_path / "manifest"), module.make_training
    faster, other = tiny_recipe(manifest), tiny_recipe(manifest, ("train.learning_rate", 0.5))

    def overtaken(*arguments: Any) -> Training:
        monkeypatch.setattr(module, "make_training", make)
        train_run(faster, folder, progress=False)
        return make(*arguments)

    monkeypatch.setattr(module, "make_training", overtaken)
    with pytest.raises(TrainingError, match=r"another process has trained in .*run while this one began"):
        train_run(other, folder, progress=False)
    assert load_recipe(folder / "recipe.yaml") == faster


def test_a_folder_is_free_on_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.lockf", no_locks)
    with only_training(tmp_path / "run"):
        pass
