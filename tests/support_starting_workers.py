"""Two workers that start from another run which each finds in its own folder, as a program.

    python support_starting_workers.py FOLDER MANIFEST

FOLDER/<rank> is a worker's own folder: it has the model `alike`, the same for both, `unlike`, which is not, and `past`,
which is the same and started from different runs. The text encoder `text` has another tokeniser for each.
"""

import os
import sys
from pathlib import Path

import pytest
import torch

from cxr_clip import checkpoint
from cxr_clip.distributed import Workers
from cxr_clip.errors import TrainingError
from cxr_clip.train.train_run import train_run
from support_models import onward, tiny_recipe
from support_workers import start_workers


def start(folder: Path, manifest: Path, workers: Workers) -> None:
    os.chdir(folder / str(workers.rank))
    alike, unlike = (onward(manifest, Path(name)) for name in ("alike", "unlike"))
    run = folder / "run"
    with pytest.raises(TrainingError, match=r"the model of model\.start_from is \w{64} .* the same files at unlike"):
        train_run(unlike, run, progress=False, workers=workers)
    with pytest.raises(
        TrainingError, match=r"what the model of model\.start_from learned from is .* same files at past"
    ):
        train_run(onward(manifest, Path("past")), run, progress=False, workers=workers)
    with pytest.raises(TrainingError, match=r"the tokeniser is \w{64} for worker 0 .* same files of the text encoder"):
        train_run(tiny_recipe(manifest, ("model.text", {"pretrained": "text"})), run, progress=False, workers=workers)
    assert not run.exists()
    train_run(alike, run, progress=False, workers=workers)
    seen = run if workers.leads else folder / "not shared"
    with pytest.raises(TrainingError, match=r"has a checkpoint is True for worker 0 and False for worker 1: .* share"):
        train_run(alike, seen, progress=False, workers=workers)


def main(folder: Path, manifest: Path) -> None:
    torch.set_num_threads(1)
    assert start_workers(2, lambda workers: start(folder, manifest, workers)) == [0, 0]
    assert checkpoint.load_run(folder / "run").started_from == (checkpoint.read_run(folder / "0" / "alike").recipe,)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
