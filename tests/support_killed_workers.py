"""A training of several workers of which one is killed by SIGKILL again and again, as a program.

    python support_killed_workers.py FOLDER WORKERS LOADER_PROCESSES

FOLDER/straight holds a run that was never stopped, FOLDER/killed one of which a worker was killed before a step, in
the middle of writing a checkpoint and of a validation. The other workers have to end by themselves each time.
"""

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from cxr_clip.distributed import Workers
from cxr_clip.train.training import Training
from support_killed import die, killed_in_validation, killed_while_writing
from support_training import before_step, run, tiny_training
from support_workers import start_workers

# Who is killed, and how. A checkpoint is written after every second step.
KILLS: tuple[tuple[int, Callable[[Training], Training]], ...] = (
    (1, lambda training: before_step(training, 3, die)),
    (0, killed_while_writing("resume", whole=False)),
    (1, killed_in_validation),
)


def main(folder: Path, count: int, processes: int) -> None:
    torch.set_num_threads(1)
    for name in ("straight", "killed"):
        (folder / name).mkdir(parents=True)

    tiny_training()  # what it imports, the workers need not import again

    def straight(workers: Workers) -> None:
        run(tiny_training(workers=workers, processes=processes), folder / "straight")

    assert start_workers(count, straight) == [0] * count
    for number, (rank, kill) in enumerate((*KILLS, (count, die))):

        def session(workers: Workers, number: int = number, rank: int = rank, kill: object = kill) -> None:
            # Another start of the weights in every session: all that counts must come from the files.
            training = tiny_training(initial_seed=number, workers=workers, processes=processes)
            run(kill(training) if workers.rank == rank else training, folder / "killed")

        ended = start_workers(count, session)
        assert [code == -signal.SIGKILL for code in ended] == [worker == rank for worker in range(count)], ended
        assert rank == count or 0 not in ended, ended
    assert ended == [0] * count, ended


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
