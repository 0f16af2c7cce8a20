"""Train and measure the trials that are not finished, one at a time or in several processes of one thread each."""

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path

from cxr_clip.assemble import open_sources
from cxr_clip.data.manifest import read_manifest
from cxr_clip.evaluate.benchmarks import EvaluationOptions
from cxr_clip.evaluate.evaluate_run import EvaluationRequest, TrainingRequest, evaluate_run
from cxr_clip.evaluate.training_manifests import TrainingManifests
from cxr_clip.experiments.trials import TRIAL, Examination, Spent, Trial, finished, read_spent, write_finished
from cxr_clip.heap import keep_freed_memory
from cxr_clip.overlap.scan_cache import scanned
from cxr_clip.spawned import start_pool
from cxr_clip.train.train_run import train_run

# The style of prompts that arms are compared with.
STYLE = "standard"
# Told of every trial that came to its end: how many of how many are done, and which it was.
Ended = Callable[[int, int, Trial], None]


def run_trials(
    trials: Sequence[Trial],
    examination: Examination,
    *,
    processes: int = 1,
    scans: Path | None = None,
    ended: Ended | None = None,
) -> None:
    """Bring every trial to its end; those that are there are passed over, and a killed one continues.

    `scans`: a folder in which the audits of all trials share what they read of images. Raises what training and
    evaluation raise, and SourceError where no process can be started.
    """
    waiting = [trial for trial in trials if not finished(trial, examination)]
    if scans is not None and waiting and examination.audit:
        _scan_images(waiting, examination, scans)
    done = len(trials) - len(waiting)
    workers = min(processes, len(waiting))
    if workers <= 1:
        for trial in waiting:
            run_trial(trial, examination, scans=scans)
            done += 1
            _tell(ended, done, len(trials), trial)
        return
    before = set(multiprocessing.active_children())
    pool = start_pool(workers, purpose="trainings")
    try:
        futures = {pool.submit(run_trial, trial, examination, scans=scans, threads=1): trial for trial in waiting}
        for future in as_completed(futures):
            future.result()
            done += 1
            _tell(ended, done, len(trials), futures[future])
        pool.shutdown()
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            # SIGTERM would end one training, and the next call that waits in the pool's pipe would begin.
            child.kill()  # what it has trained is in its folder
        raise


def _tell(ended: Ended | None, done: int, total: int, trial: Trial) -> None:
    if ended is not None:
        ended(done, total, trial)


def _scan_images(waiting: Sequence[Trial], examination: Examination, scans: Path) -> None:
    """Read the images that any audit will ask for, before trials in several processes read them all at once."""
    first, *others = [trial.recipe for trial in waiting]
    evaluated = read_manifest(examination.manifest, check=False).where(split=examination.split)
    for manifest in (*TrainingManifests(first, started_from=others).studies, evaluated):
        scanned(manifest.table, manifest.root, threads=os.cpu_count() or 1, cache=scans)


def run_trial(
    trial: Trial, examination: Examination, *, scans: Path | None = None, threads: int | None = None
) -> Spent:
    """Train and measure one trial in its folder; what it took stands in trial.json, which is written last."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    keep_freed_memory()
    wall, processor = time.monotonic(), time.process_time()
    trained = train_run(trial.recipe, trial.folder, progress=False)
    (trial.folder / TRIAL).unlink(missing_ok=True)  # not before: a run of another recipe is refused, and keeps its own
    request = EvaluationRequest(
        examination.manifest,
        split=examination.split,
        styles=(STYLE,),
        options=EvaluationOptions(resamples=examination.resamples),
        training=TrainingRequest(audit=examination.audit, cache=scans if examination.audit else None),
    )
    evaluate_run(trial.folder, request, device=trial.recipe.train.device)
    spent = Spent(
        steps=trained.result.state.step,
        studies=sum(len(source.train) for source in open_sources(trial.recipe.data)),
        processor_seconds=time.process_time() - processor,
        wall_seconds=time.monotonic() - wall,
    )
    write_finished(trial, examination, spent)
    return read_spent(trial)
