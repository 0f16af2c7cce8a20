"""Small trainings on the reports of the made-up world alone, without labels or prompts; for benchmarks of wording."""

from collections.abc import Sequence
from pathlib import Path

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.experiments.made_up import small_recipe
from cxr_clip.recipe import Recipe, load_recipe
from cxr_clip.train.train_run import train_run


def recipe_of(manifest: Path, *, seed: int, epochs: int, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe of experiments on one manifest, parts of its reports among the texts."""
    settings = (
        f"data.sources=[{{manifest: {manifest}, cut_sentences: 0.5}}]",
        f"train.seed={seed}",
        f"train.epochs={epochs}",
        f"train.validate_epochs={epochs}",
    )
    return load_recipe(small_recipe(), (*settings, *overrides))


def trained(recipe: Recipe, folder: Path) -> Run:
    """The run of a recipe in a folder: trained, continued, or as it is there."""
    train_run(recipe, folder, progress=False)
    return load_run(folder)
