"""A training of two workers of which one is sent SIGTERM, as a program.

    python support_stopped_workers.py FOLDER

FOLDER/straight holds a run that was never stopped, FOLDER/killed one whose worker 1 was told to end.
"""

import os
import signal
import sys
from pathlib import Path

import pytest
import torch

from cxr_clip.distributed import Workers
from cxr_clip.errors import TrainingStoppedError
from support_training import before_step, run, tiny_training
from support_workers import start_workers


def stopped(folder: Path, workers: Workers) -> None:
    training = tiny_training(workers=workers)
    if workers.rank == 1:
        training = before_step(training, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(TrainingStoppedError, match="after step 3 of 9"):
        run(training, folder)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    for name in ("straight", "killed"):
        (folder / name).mkdir(parents=True)
    tiny_training()  # what it imports, the workers need not import again
    sessions = (
        lambda workers: run(tiny_training(workers=workers), folder / "straight"),
        lambda workers: stopped(folder / "killed", workers),
        lambda workers: run(tiny_training(initial_seed=1, workers=workers), folder / "killed"),
    )
    for session in sessions:
        assert start_workers(2, session) == [0, 0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
