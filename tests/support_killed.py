"""A training that is killed by SIGKILL again and again, as a program: every session is a process of its own.

    python support_killed.py FOLDER

FOLDER/straight holds a run that was never stopped, FOLDER/killed one that was stopped before every step, in the
middle of its validations and of writing every kind of file, also with the training ahead of the file that is being
written, and FOLDER/kills says how often.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import torch

from cxr_clip import tensor_files
from cxr_clip.tensors import Batch
from cxr_clip.train.training import Training
from support_training import STEPS, before_step, run, tiny_training, wait_for_files


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_with_files_written() -> None:
    wait_for_files()
    die()


def killed_in_validation(training: Training) -> Training:
    def batches() -> Iterable[Batch]:
        yield next(iter(training.validation_batches()))
        die()

    return replace(training, validation_batches=batches)


def killed_while_writing(name: str, *, whole: bool) -> Callable[[Training], Training]:
    """Die with half of a file written, or with all of it but not yet under its name."""

    def prepare(training: Training) -> Training:
        write = tensor_files.save_file

        def write_and_die(tensors: object, path: Path, metadata: object) -> None:
            write(tensors, path, metadata)
            if path.name.startswith(name):
                if not whole:
                    path.write_bytes(path.read_bytes()[:1000])
                die()

        tensor_files.save_file = write_and_die
        return training

    return prepare


def killed_ahead_of_writing(name: str, *, before: int) -> Callable[[Training], Training]:
    """Die before the batch of a step, with half of a file of an earlier step on the disk."""

    def prepare(training: Training) -> Training:
        write, half = tensor_files.save_file, threading.Event()

        def write_half(tensors: object, path: Path, metadata: object) -> None:
            write(tensors, path, metadata)
            if path.name.startswith(name):
                path.write_bytes(path.read_bytes()[:1000])
                half.set()
                threading.Event().wait()

        def die_at_half() -> None:
            half.wait()
            die()

        tensor_files.save_file = write_half
        return before_step(training, before, die_at_half)

    return prepare


def session(folder: Path, prepare: Callable[[Training], Training], *, seed: int) -> int:
    """Train in a process of its own and return how it ended."""
    child = os.fork()
    if child == 0:
        try:
            # Another start of the weights in every session: all that counts must come from the files.
            run(prepare(tiny_training(initial_seed=seed)), folder)
        except BaseException:  # noqa: BLE001  # the child must not go on as the parent
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    for name in ("straight", "killed"):
        (folder / name).mkdir(parents=True)
    # In this process, so that the others need not import everything again.
    run(tiny_training(initial_seed=0), folder / "straight")
    kills = [lambda training, step=step: before_step(training, step, die_with_files_written) for step in range(STEPS)]
    kills[4:4] = [
        killed_in_validation,
        killed_while_writing("weights", whole=False),
        killed_while_writing("weights", whole=True),
        killed_while_writing("resume", whole=False),
        killed_while_writing("resume", whole=True),
        killed_ahead_of_writing("weights", before=3),
        killed_ahead_of_writing("resume", before=5),
        lambda training: before_step(training, 4, die),
    ]
    for number, prepare in enumerate(kills):
        # The first checkpoint is written after two steps: until then every session starts anew, from seed 0.
        ended = session(folder / "killed", prepare, seed=number if number > 2 else 0)
        assert ended == -signal.SIGKILL, f"session {number} ended with {ended}"
    assert session(folder / "killed", lambda training: training, seed=99) == 0
    (folder / "kills").write_text(str(len(kills)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
