"""The machinery that every experiment shares: arms and seeds in, finished runs below a folder, figures out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.experiments.arms import Arm
from cxr_clip.experiments.comparison import Compared, compare_arms
from cxr_clip.experiments.run_trials import Ended, run_trials
from cxr_clip.experiments.trials import Examination, plan

SCANS = "scans"


@dataclass(frozen=True)
class Experiment:
    """Arms of a recipe, each trained with `seeds` seeds below `out`/runs and measured on the same patients.

    `overrides` are of all arms; `resamples` are of patients.
    """

    recipe: Path
    arms: tuple[Arm, ...]
    out: Path
    examination: Examination
    seeds: int = 5
    overrides: tuple[str, ...] = ()
    resamples: int = 2000


def run_experiment(
    experiment: Experiment,
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    processes: int = 1,
    ended: Ended | None = None,
) -> Compared:
    """Train and measure what is not finished, then compare; `pairs` are those of `compare_arms`.

    Raises ExperimentError where arms are alike, and what training and evaluation raise.
    """
    trials = plan(
        experiment.recipe, experiment.arms, experiment.out, seeds=experiment.seeds, overrides=experiment.overrides
    )
    run_trials(trials, experiment.examination, processes=processes, scans=experiment.out / SCANS, ended=ended)
    return compare_arms(trials, pairs, resamples=experiment.resamples)
