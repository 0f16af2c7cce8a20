"""The same training on one worker and on several, as a program.

    python support_many_workers.py FOLDER COUNT...

FOLDER/<count> is the run folder of that many workers, in double precision and without dropout; gradients-<step> in
it holds the gradients of a step.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from cxr_clip.distributed import Workers
from support_training import run, tiny_training
from support_workers import start_workers


def learn(folder: Path, workers: Workers) -> None:
    training = tiny_training(workers=workers, exact=True)
    step, calls = training.optimizer.step, []

    def kept() -> None:
        gradients = {name: value.grad for name, value in training.model.named_parameters() if value.grad is not None}
        if workers.leads:
            save_file(gradients, folder / f"gradients-{len(calls)}")
        calls.append(1)
        step()

    training.optimizer.step = kept
    run(training, folder)


def main(folder: Path, counts: list[int]) -> None:
    torch.set_num_threads(1)
    tiny_training()  # what it imports, the workers need not import again
    for count in counts:
        runs = folder / str(count)
        runs.mkdir()
        assert start_workers(count, lambda workers, runs=runs: learn(runs, workers)) == [0] * count


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(count) for count in sys.argv[2:]])
