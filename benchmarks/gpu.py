"""Training on one GPU: images a second, how much of its matrix peak the encoders use, waiting for data, memory.

python benchmarks/gpu.py                                    # one CUDA card; 15 minutes, most of them compiling
python benchmarks/gpu.py --forms eager --batches 128 1024   # some of the cases
python benchmarks/gpu.py --tiny --device cpu                # only whether it works

The towers of the paper with random weights (ResNet-50 or Swin-Tiny, BERT-base), the step of train/step.py with its own
loss, fused AdamW and loader: bf16 autocast of the encoders, weights and loss in fp32, pictures and kernels channels
last. The store holds made-up radiographs of short side 512, each used by many studies, with made-up reports that all
differ. `compiled` is torch.compile of both backbones. A case is warmed up, then measured for some seconds: the clock is
that of the GPU's own stream. The share of the peak is FLOPs of forward and backward of both towers (as torch counts
matrix products, convolutions and attention), over the seconds in the encoders, over what a large bf16 matrix product of
the same session reached. What the loader alone gives is measured apart, as batches that wait in its queue hide it.

Results are written after each case; a case that the results have already, from the same machine, is not run again.
"""

import argparse
import gc
import json
import math
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch
from gpu_setup import FULL, TINY, Size, recipe, write_store
from torch.utils.flop_counter import FlopCounterMode

from cxr_clip import assemble
from cxr_clip.checkpoint import Run
from cxr_clip.data.batching import PREFETCH
from cxr_clip.recipe import Recipe
from cxr_clip.tensors import Batch
from cxr_clip.train.cached_gradient import embed_at_once
from cxr_clip.train.step import learn
from cxr_clip.train.stopwatch import Part, Stopwatch, TimeSpent, clock_of
from cxr_clip.train.train_run import make_training
from cxr_clip.train.training import Training

RESULTS = Path(__file__).parent / "results" / "gpu.json"
FORMS = ("eager", "compiled")
LEAST_STEPS = 3
Record = dict[str, object]


def matrix_peak(size: Size, device: str) -> float:
    """TFLOP a second of a large bf16 matrix product, the best of several runs."""
    left, right = (torch.randn(size.matrix, size.matrix, device=device, dtype=torch.bfloat16) for _ in range(2))
    clock, best = clock_of(device), math.inf
    for _ in range(20):
        start = clock.mark()
        torch.mm(left, right)
        best = min(best, clock.seconds(start, clock.mark()))
    return 2 * size.matrix**3 / best / 1e12


def flops_a_study(training: Training, batch: Batch) -> float:
    """FLOPs of forward and backward of both towers."""
    with FlopCounterMode(display=False) as counter:
        views = embed_at_once(training, batch, 0).views
        torch.stack([view.sum() for view in (*views.images, *views.texts)]).sum().backward()
    training.optimizer.zero_grad(set_to_none=True)
    return counter.get_total_flops() / len(batch.study_ids)


def take_steps(training: Training, size: Size) -> tuple[TimeSpent, int]:
    """Warm up, then learn for as long as a case takes; what it was spent on, and how many steps it was."""
    made = iter(training.batches_from(0))
    for number in range(size.warm_up):
        one_step(training, made, number, Stopwatch(clock_of(training.device)))
    if training.device.startswith("cuda"):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    watch, end, steps = Stopwatch(clock_of(training.device)), time.perf_counter() + size.seconds, 0
    while steps < LEAST_STEPS or time.perf_counter() < end:
        one_step(training, made, size.warm_up + steps, watch)
        steps += 1
    return watch.spent, steps


def one_step(training: Training, made: Iterator[Batch], number: int, watch: Stopwatch) -> None:
    batch = next(made)
    watch.lap(Part.DATA)
    learn(training, batch, number, lap=watch.lap)
    training.optimizer.step()
    watch.lap(Part.OPTIMIZER)


def case(training: Training, size: Size, *, batch: int, flops: float, peak: float) -> Record:
    """One case; that the memory does not suffice, or that compiling fails, is what it found."""
    try:
        spent, steps = take_steps(training, size)
    except torch.OutOfMemoryError:
        return {"outcome": "out of memory"}
    except RuntimeError as error:
        return {"outcome": f"failed: {str(error).splitlines()[0][:200]}"}
    reached = flops * batch * steps / spent.encoders / 1e12
    memory = torch.cuda.max_memory_allocated() if training.device.startswith("cuda") else None
    return {
        "outcome": "measured",
        "steps": steps,
        "seconds_a_step": round(spent.learning / steps, 4),
        "images_a_second": round(2 * batch * steps / spent.learning, 1),
        "encoder_tflops": round(reached, 2),
        "share_of_peak": round(reached / peak, 4),
        "waiting_for_data": round(spent.data / spent.learning, 4),
        "loss_share": round(spent.loss / spent.learning, 4),
        "optimizer_share": round(spent.optimizer / spent.learning, 4),
        "peak_memory_gb": None if memory is None else round(memory / 1e9, 2),
    }


def loader_rate(training: Training, size: Size, *, batch: int, processes: int) -> float:
    """Images a second that the loader gives when nothing else is done, beyond what its queue holds at the start."""
    made = iter(training.batches_from(0))
    for _ in range(PREFETCH * processes + 1):
        next(made)
    start, counted = time.perf_counter(), 0
    while counted < LEAST_STEPS or time.perf_counter() - start < size.seconds:
        next(made)
        counted += 1
    return 2 * batch * counted / (time.perf_counter() - start)


class Bench:
    """The cases of one machine and the file of their results, which is whole after each of them."""

    def __init__(self, file: Path, size: Size, device: str, processes: int) -> None:
        self._file, self._size, self._device, self._processes = file, size, device, processes
        machine = torch.cuda.get_device_name() if device.startswith("cuda") else f"{platform.machine()}, no GPU"
        before = json.loads(file.read_text()) if file.is_file() else {}
        self._peak = matrix_peak(size, device)
        self._told: Record = {"machine": machine, "cores": os.cpu_count(), "torch": torch.__version__}
        self._told["peak_bf16_tflops"] = round(self._peak, 3)
        self._cases: list[Record] = before["cases"] if before.get("machine") == machine else []

    def run(self, folder: Path, *, towers: list[str], forms: list[str], batches: list[int]) -> None:
        """All cases that are asked for and not there yet."""
        there = {(one["tower"], one["form"], one["batch"]) for one in self._cases}
        for form, tower in product(forms, towers):
            wanted = [batch for batch in batches if (tower, form, batch) not in there]
            if wanted:
                self._of_one_model(folder, tower, form, wanted)

    def _of_one_model(self, folder: Path, tower: str, form: str, batches: list[int]) -> None:
        """One model in one form, trained with batch after batch."""
        sources = assemble.open_sources(self._recipe(folder, tower, batches[0]).data)
        model, tokeniser = assemble.make_model(self._recipe(folder, tower, batches[0]), sources)
        model.train()

        def training_with(batch: int) -> Training:
            return make_training(Run(model, tokeniser, self._recipe(folder, tower, batch)), sources)

        first, processes = training_with(batches[0]), self._processes_for(batches[0])
        flops = flops_a_study(first, next(iter(first.batches_from(0))))
        rate = loader_rate(first, self._size, batch=batches[0], processes=processes)
        del first
        if form == "compiled":
            for backbone in (model.image.backbone, model.text.backbone):
                backbone.compile(backend=self._size.backend)
        for batch in batches:
            found = case(training_with(batch), self._size, batch=batch, flops=flops, peak=self._peak)
            model.zero_grad(set_to_none=True)
            gc.collect()
            if self._device.startswith("cuda"):
                torch.cuda.empty_cache()
            named: Record = {"tower": tower, "form": form, "batch": batch, "processes": self._processes_for(batch)}
            named |= {"gflops_a_study": round(flops / 1e9, 3), "loader_alone_images_a_second": round(rate, 1)}
            self._keep(named | found)

    def _recipe(self, folder: Path, tower: str, batch: int) -> Recipe:
        processes = self._processes_for(batch)
        return recipe(folder, self._size, tower, batch=batch, processes=processes, device=self._device)

    def _processes_for(self, batch: int) -> int:
        """As many loader processes as asked, or fewer where their waiting batches would not fit shared memory."""
        room = shutil.disk_usage("/dev/shm").free / 2 if Path("/dev/shm").is_dir() else math.inf
        waiting = PREFETCH * batch * 2 * self._size.image_size**2
        return int(min(self._processes, room // waiting))

    def _keep(self, found: Record) -> None:
        print(json.dumps(found), flush=True)
        self._cases.append(found)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_name(f"{self._file.name}.partial")
        partial.write_text(json.dumps({**self._told, "cases": self._cases}, indent=2) + "\n")
        partial.replace(self._file)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--tiny", action="store_true", help="only whether it works: tiny towers, a few steps")
    options.add_argument("--device", default="cuda")
    options.add_argument("--towers", nargs="+", choices=[*FULL.images, *TINY.images])
    options.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    options.add_argument("--batches", type=int, nargs="+")
    options.add_argument("--processes", type=int, default=max(0, (os.cpu_count() or 1) - 1), help="of the loader")
    options.add_argument("--seconds", type=float, help="of a case")
    options.add_argument("--results", type=Path, default=RESULTS)
    asked = options.parse_args()
    if asked.device.startswith("cuda") and not torch.cuda.is_available():
        print("there is no CUDA card here: nothing was measured (--tiny --device cpu shows whether it works)")
        sys.exit(2)
    size = TINY if asked.tiny else FULL
    size = size if asked.seconds is None else replace(size, seconds=asked.seconds)
    bench = Bench(asked.results, size, asked.device, asked.processes)
    with tempfile.TemporaryDirectory() as folder:
        write_store(Path(folder), size)
        bench.run(
            Path(folder),
            towers=asked.towers or list(size.images),
            forms=asked.forms,
            batches=asked.batches or list(size.batches),
        )


if __name__ == "__main__":
    main()
