"""A recipe trained by sessions that SIGKILL ends, as a program: every session is a process of its own.

    python support_killed_run.py MANIFEST FOLDER

FOLDER/straight was never stopped, FOLDER/two-processes neither, with two loader processes; FOLDER/killed was stopped
in the middle of starting and of starting again, in every step, and while it wrote a checkpoint.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from cxr_clip import tensor_files
from cxr_clip.recipe import Recipe
from cxr_clip.train.train_run import train_run
from support_models import tiny_recipe, tiny_run
from support_training import wait_for_files

STEPS = 8


def recipe_of(manifest: Path, *, processes: int = 0) -> Recipe:
    """Eight steps in four epochs; a checkpoint after steps 3, 6 and 8."""
    return tiny_recipe(
        manifest, ("train.epochs", 4), ("train.checkpoint_steps", 3), ("train.loader_processes", processes)
    )


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_optimizer_step(number: int) -> None:
    """Die after the weights moved for the `number`-th time in this session."""
    step, calls = torch.optim.AdamW.step, []

    def counted(self: torch.optim.AdamW) -> None:
        step(self)
        calls.append(1)
        if len(calls) > number:
            wait_for_files()
            die()

    torch.optim.AdamW.step = counted


def die_in_starting() -> None:
    """Die when all of a new run folder is written but the recipe that makes it one."""
    Path.rename = lambda self, target: die()


def die_in_starting_again() -> None:
    """Die with a part of the tokeniser on the disk, over that of the session before."""

    def cut(_tokeniser: PreTrainedTokenizerFast, folder: str) -> None:
        whole = (Path(folder) / "tokenizer.json").read_text()
        (Path(folder) / "tokenizer.json").write_text(whole[: len(whole) // 2])
        die()

    PreTrainedTokenizerFast.save_pretrained = cut


def die_in_writing_a_checkpoint() -> None:
    """Die with a part of the file on the disk."""
    save = tensor_files.save_file

    def cut(tensors: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        save(tensors, path, metadata)
        if path.name.startswith("resume"):
            path.write_bytes(path.read_bytes()[:3000])
            die()

    tensor_files.save_file = cut


def session(recipe: Recipe, folder: Path, prepare: Callable[[], None]) -> int:
    """Train in a process of its own and return how it ended."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        ended = 1
        try:
            prepare()
            train_run(recipe, folder, progress=False)
            ended = 0
        finally:
            if ended:
                sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(ended)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(manifest: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    recipe = recipe_of(manifest)
    tiny_run(recipe)  # what it imports, the sessions need not import again
    assert session(recipe, folder / "straight", lambda: None) == 0
    assert session(recipe_of(manifest, processes=2), folder / "two-processes", lambda: None) == 0
    kills: list[Callable[[], None]] = [die_in_starting]
    # Of the state after steps 0, 3 and 6: each continues there, so every step is once the one that is broken off.
    kills += [lambda calls=calls: die_in_optimizer_step(calls) for calls in (0, 1)]
    kills += [die_in_starting_again, lambda: die_in_optimizer_step(2)]
    kills += [die_in_writing_a_checkpoint]
    kills += [lambda calls=calls: die_in_optimizer_step(calls) for calls in (3, 1, 2, 3, 0, 1)]
    for number, prepare in enumerate(kills):
        ended = session(recipe, folder / "killed", prepare)
        assert ended == -signal.SIGKILL, f"session {number} ended with {ended}"
    assert session(recipe, folder / "killed", lambda: None) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
