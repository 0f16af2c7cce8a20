"""Whether a folder holds a run that may be continued: of the same recipe, on the same studies."""

from dataclasses import replace
from pathlib import Path

from cxr_clip import assemble, checkpoint
from cxr_clip.checkpoint import Run
from cxr_clip.errors import CheckpointError, RecipeError, TrainingError
from cxr_clip.recipe import Recipe, load_recipe
from cxr_clip.train.fingerprint import fingerprint

# Settings that may change when a run is continued: they decide where and how it is shown, not what comes out.
MAY_CHANGE = ("train.device", "train.loader_processes", "train.checkpoint_steps", "log")


def run_to_continue(recipe: Recipe, folder: Path, sources: tuple[assemble.Source, ...]) -> Run | None:
    """The run of the last checkpoint in `folder`; None where there is none, so that a run starts anew."""
    has_checkpoint = (folder / checkpoint.RESUME).is_file()
    if checkpoint.is_run(folder):
        _refuse_other_recipe(load_recipe(folder / checkpoint.RECIPE), recipe, folder)
    elif has_checkpoint:
        raise CheckpointError(
            f"{folder} holds {checkpoint.RESUME} without the {checkpoint.RECIPE} of its run: put that file back, or "
            "name another folder"
        )
    if not has_checkpoint:
        return None
    _refuse_other_studies(folder, sources)
    return replace(checkpoint.read_run(folder), recipe=recipe)


def _refuse_other_recipe(there: Recipe, asked: Recipe, folder: Path) -> None:
    """A run is continued with its own settings or not at all; where its manifests lie is none of them."""
    paths = {"data": {"sources": {"__all__": {"manifest"}}}}
    old, new = (dict(_flat(recipe.model_dump(mode="json", exclude=paths))) for recipe in (there, asked))
    changed = [
        f"{key}: {old.get(key)!r} there, {new.get(key)!r} asked"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(MAY_CHANGE)
    ]
    if changed:
        raise RecipeError(
            f"{folder} holds a run of another recipe ({'; '.join(changed[:5])}): name another folder, "
            "or continue it with the recipe of its recipe.yaml"
        )


def _refuse_other_studies(folder: Path, sources: tuple[assemble.Source, ...]) -> None:
    """A run is continued on the studies that it started with, wherever their manifests lie by now."""
    kept, now = folder / checkpoint.STUDIES, fingerprint(sources)
    if not kept.is_file():
        raise TrainingError(
            f"{folder} does not say which studies it learned from ({kept.name} is missing): if data.sources are still "
            f"those of its start, write {now} into that file, else name another folder"
        )
    if kept.read_text(encoding="utf-8").strip() != now:
        raise TrainingError(
            f"the run in {folder} learned from other studies than data.sources have now in the splits train and "
            "validate: give it the manifests of its start, wherever they lie, or name another folder for a new run"
        )


def _flat(settings: object, prefix: str = "") -> list[tuple[str, object]]:
    """Nested settings as (dotted key, value)."""
    if not isinstance(settings, dict):
        return [(prefix, settings)]
    return [pair for key, value in settings.items() for pair in _flat(value, f"{prefix}.{key}" if prefix else key)]
