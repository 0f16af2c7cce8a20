"""Whether a folder holds a run that may be continued: of the same recipe, on the same studies."""

from dataclasses import replace
from pathlib import Path

from cxr_clip import assemble, checkpoint
from cxr_clip.checkpoint import Run
from cxr_clip.distributed import Workers, gather_objects
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


def refuse_other_workers_recipe(recipe: Recipe, sources: tuple[assemble.Source, ...], workers: Workers) -> None:
    """All workers learn by the same settings and from the same studies; where these lie may differ by machine."""
    for rank, (other, studies) in enumerate(gather_objects((recipe, fingerprint(sources)), workers)):
        if rank == 0:
            first, first_studies = other, studies
        changed = _changes(first, other, there="for worker 0", asked=f"for worker {rank}")
        if changed:
            raise RecipeError(
                f"the workers were started with different recipes ({'; '.join(changed[:5])}): give all the same one"
            )
        if studies != first_studies:
            raise TrainingError(
                f"worker {rank} finds other studies in data.sources, or other prompts, than worker 0: give all "
                "machines the same manifests and prompts"
            )


def _changes(old: Recipe, new: Recipe, *, there: str, asked: str) -> list[str]:
    """The settings that decide what comes out and differ; where manifests lie is none of them."""
    paths = {"data": {"sources": {"__all__": {"manifest"}}}}
    before, after = (dict(_flat(recipe.model_dump(mode="json", exclude=paths))) for recipe in (old, new))
    return [
        f"{key}: {before.get(key)!r} {there}, {after.get(key)!r} {asked}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key) and not key.startswith(MAY_CHANGE)
    ]


def _refuse_other_recipe(there: Recipe, asked: Recipe, folder: Path) -> None:
    """A run is continued with its own settings or not at all."""
    changed = _changes(there, asked, there="there", asked="asked")
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
            "validate, or from other words than data.prompts has now: give it the manifests of its start, wherever "
            "they lie, with its prompts, or name another folder for a new run"
        )


def _flat(settings: object, prefix: str = "") -> list[tuple[str, object]]:
    """Nested settings as (dotted key, value)."""
    if not isinstance(settings, dict):
        return [(prefix, settings)]
    return [pair for key, value in settings.items() for pair in _flat(value, f"{prefix}.{key}" if prefix else key)]
