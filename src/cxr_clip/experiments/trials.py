"""One training of an experiment: an arm with a seed, in an ordinary run folder of its own."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cxr_clip.data.manifest import FILE_NAME
from cxr_clip.errors import ExperimentError
from cxr_clip.experiments.arms import Arm, folder_name, require_different
from cxr_clip.recipe import Recipe, dump_recipe, load_recipe
from cxr_clip.study import Split
from cxr_clip.whole_files import write_whole

RUNS = "runs"
TRIAL = "trial.json"


@dataclass(frozen=True)
class Examination:
    """What every trial of an experiment is measured on; without `audit` nobody looks for studies trained on.

    `resamples` are those of the trial's own report; a comparison draws its own.
    """

    manifest: Path
    split: Split = Split.TEST
    audit: bool = True
    resamples: int = 1000


@dataclass(frozen=True)
class Trial:
    """An arm with a seed: its recipe, and the run folder that it is trained and evaluated in."""

    arm: Arm
    seed: int
    recipe: Recipe
    folder: Path


@dataclass(frozen=True)
class Spent:
    """What a finished trial took: steps and training studies, and processor and wall seconds of its last session."""

    steps: int
    studies: int
    processor_seconds: float
    wall_seconds: float


def plan(recipe: Path, arms: Sequence[Arm], out: Path, *, seeds: int, overrides: Sequence[str] = ()) -> list[Trial]:
    """List every arm with every seed, seed by seed, so that what is finished early can be compared.

    `overrides` are of all arms, and come before their own. Raises ExperimentError where two arms are one and the same
    or a setting is one that the seeds decide, RecipeError where an arm is no recipe.
    """
    require_different(arms)
    for arm in arms:
        _refuse_seeds(arm, overrides)
    trials = [_trial(recipe, arm, out, seed=seed, overrides=overrides) for seed in range(seeds) for arm in arms]
    told: dict[str, str] = {}
    for trial in trials[: len(arms)]:
        other = told.setdefault(dump_recipe(trial.recipe.model_copy(update={"name": ""})), trial.arm.name)
        if other != trial.arm.name:
            raise ExperimentError(
                f"the arms {other!r} and {trial.arm.name!r} have the same settings: leave one of them out"
            )
    return trials


def _refuse_seeds(arm: Arm, overrides: Sequence[str]) -> None:
    """Raise ExperimentError for a setting that the number of the seed takes the place of."""
    for change in (*overrides, *arm.overrides):
        if change.partition("=")[0] in arm.seeded:
            raise ExperimentError(
                f"{change} has no effect on the arm {arm.name!r}, whose seeds --seeds decides: leave it out"
            )


def _trial(recipe: Path, arm: Arm, out: Path, *, seed: int, overrides: Sequence[str]) -> Trial:
    seeded = (f"{key}={seed}" for key in arm.seeded)
    name = json.dumps(f"{load_recipe(recipe, overrides).name}: {arm.name}, seed {seed}", ensure_ascii=False)
    asked = load_recipe(recipe, (*overrides, *arm.overrides, *seeded, f"name={name}"))
    return Trial(arm, seed, asked, out / RUNS / folder_name(arm.name) / f"seed-{seed}")


def identity(trial: Trial, examination: Examination) -> str:
    """The sha256 of all that decides a trial's figures: its recipe, and the contents of the manifests.

    Settings that have their defaults do not count, so a setting that is new in this package makes no trial unfinished.
    """
    recipe = trial.recipe.model_dump_json(exclude_defaults=True)
    asked = (examination.split.value, examination.audit, examination.resamples)
    digest = hashlib.sha256(json.dumps([recipe, *asked]).encode())
    for manifest in (*(source.manifest for source in trial.recipe.data.sources), examination.manifest):
        file = manifest / FILE_NAME if manifest.is_dir() else manifest
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()


def finished(trial: Trial, examination: Examination) -> bool:
    """Whether the trial was trained and measured to its end, as it is asked for now."""
    file = trial.folder / TRIAL
    return file.is_file() and json.loads(file.read_text(encoding="utf-8"))["identity"] == identity(trial, examination)


def write_finished(trial: Trial, examination: Examination, spent: Spent) -> None:
    """Write that a trial came to its end; nothing of it is written after that."""
    content = {"arm": trial.arm.name, "seed": trial.seed, "identity": identity(trial, examination), **asdict(spent)}
    write_whole(trial.folder / TRIAL, json.dumps(content, indent=1) + "\n")


def read_spent(trial: Trial) -> Spent:
    """Read what a finished trial took."""
    content = json.loads((trial.folder / TRIAL).read_text(encoding="utf-8"))
    return Spent(**{name: content[name] for name in ("steps", "studies", "processor_seconds", "wall_seconds")})
