"""The loss of large batches: time and extra memory of the whole study contrast, with whole matrices and by tiles.

python benchmarks/loss.py                       # N = 1,024 to 65,536 studies, D = 512, one thread a core
python benchmarks/loss.py --sizes 32768 65536   # these again; the file keeps the others

Six similarity matrices, forward and backward, of two images and two texts of each study. Extra memory is the peak of a
process of its own, less what it holds with the embeddings before the first loss. The two forms take turns, so that
whatever else the machine does falls on both; times are medians. Whole matrices are left out where they do not fit.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cxr_clip import losses
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.tensors import EmbeddedViews

RESULTS = Path(__file__).parent / "results" / "loss.json"
SIZES, DIM = (1024, 2048, 4096, 8192, 16384, 32768, 65536), 512
FORMS = ("whole", "tiles")
# Measured at N = 4,096: 20.1, the gradients of the embeddings among them, whose share falls as N grows.
WHOLE_MATRICES = 20


def loss_and_gradients(form: str, studies: int) -> Callable[[], float]:
    """What is timed, with the embeddings it needs."""
    losses.WHOLE = 2**62 if form == "whole" else 0
    torch.manual_seed(0)
    leaves = [normalize(torch.randn(studies, DIM), dim=1).requires_grad_() for _ in range(4)]
    scale = torch.tensor([1 / 0.07], requires_grad=True)
    inputs: list[Tensor] = [*leaves, scale]

    def run() -> float:
        views = EmbeddedViews(images=(leaves[0], leaves[1]), texts=(leaves[2], leaves[3]))
        total = weighted_sum(study_contrast(views, scale), LossWeights())
        torch.autograd.grad(total, inputs)
        return float(total.detach())

    return run


def one_case(form: str, studies: int) -> None:
    """In a process of its own: seconds on the clock and of the processors, extra bytes and the loss of one call."""
    run = loss_and_gradients(form, studies)
    loss_and_gradients(form, 64)()  # the libraries' own memory
    before, start, work = peak(), time.perf_counter(), time.process_time()
    loss = run()
    seconds, processor = time.perf_counter() - start, time.process_time() - work
    print(json.dumps({"seconds": seconds, "processor": processor, "bytes": peak() - before, "loss": loss}))


def peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measured(form: str, studies: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", form, str(studies)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def free_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def fits(form: str, studies: int) -> bool:
    return form == "tiles" or WHOLE_MATRICES * 4 * studies**2 < 0.9 * free_memory()


def case(studies: int, rounds: int) -> dict[str, object]:
    """Both forms in turns, as far as they fit."""
    forms = [form for form in FORMS if fits(form, studies)]
    found: dict[str, list[dict[str, float]]] = {form: [] for form in forms}
    for _ in range(rounds):
        for form in forms:
            found[form].append(measured(form, studies))
    told: dict[str, object] = {"studies": studies, "rounds": rounds}
    for form, runs in found.items():
        told[form] = {
            "seconds": round(statistics.median(run["seconds"] for run in runs), 3),
            "processor_seconds": round(statistics.median(run["processor"] for run in runs), 3),
            "extra_gb": round(max(run["bytes"] for run in runs) / 1e9, 3),
            "loss": round(runs[0]["loss"], 6),
        }
    return told


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--case", nargs=2, metavar=("FORM", "STUDIES"))
    options.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options.add_argument("--out", type=Path, default=RESULTS)
    asked = options.parse_args()
    if asked.case:
        one_case(asked.case[0], int(asked.case[1]))
        return
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    cases = {one["studies"]: one for one in json.loads(asked.out.read_text())["cases"]} if asked.out.is_file() else {}
    for studies in asked.sizes:
        cases[studies] = case(studies, rounds=5 if studies <= 8192 else 3 if studies <= 16384 else 1)
        print(json.dumps(cases[studies]), flush=True)
        in_order = [cases[size] for size in sorted(cases)]
        told = {"dim": DIM, "cases": in_order, "machine": f"{platform.machine()}, {os.cpu_count()} cores"}
        asked.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
