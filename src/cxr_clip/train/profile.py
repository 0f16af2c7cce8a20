"""A look inside of a few steps: what runs when, and what takes longest (torch.profiler). It changes no result."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile, schedule

# The first steps of a session are not like the others: memory is taken, kernels are chosen, loader processes start.
SKIPPED_STEPS = 3
RECORDED_STEPS = 3
ROWS = 30
FOLDER, TRACE, OPERATORS = "profile", "trace.json", "operators.txt"


@contextmanager
def profiled(run: Path) -> Iterator[Callable[[], None]]:
    """Record steps of a session of training; the function that it gives is to be called after every step.

    RUN/profile/trace.json holds a few steps for chrome://tracing or ui.perfetto.dev, RUN/profile/operators.txt the
    operators that took longest. A session of fewer steps than SKIPPED_STEPS + 1 leaves neither.
    """
    for name in (TRACE, OPERATORS):
        (run / FOLDER / name).unlink(missing_ok=True)
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])
    steps = schedule(wait=SKIPPED_STEPS - 1, warmup=1, active=RECORDED_STEPS, repeat=1)
    with profile(activities=activities, schedule=steps, on_trace_ready=partial(_write, run / FOLDER)) as recorder:
        yield recorder.step


def told(run: Path) -> str:
    """Say where the profile of the last session is, or why there is none."""
    folder = run / FOLDER
    if (folder / TRACE).is_file():
        return f"profile: {folder / TRACE} (open it at ui.perfetto.dev or chrome://tracing) and {folder / OPERATORS}"
    return f"no profile: one needs a session of {SKIPPED_STEPS + 1} steps or more"


def _write(folder: Path, recorder: profile) -> None:
    folder.mkdir(exist_ok=True)
    recorder.export_chrome_trace(str(folder / TRACE))
    by = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    table = recorder.key_averages().table(sort_by=by, row_limit=ROWS, max_name_column_width=60)
    (folder / OPERATORS).write_text(table, encoding="utf-8")
