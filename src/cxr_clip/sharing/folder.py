"""A model as a folder to give away: an ordinary run folder with facts and a card, without the paths of this machine."""

import shutil
from dataclasses import replace
from pathlib import Path

from cxr_clip.calibration import CALIBRATION
from cxr_clip.checkpoint import WEIGHTS, Run, write_run
from cxr_clip.errors import CheckpointError
from cxr_clip.recipe import Recipe
from cxr_clip.reference import REFERENCE
from cxr_clip.sharing.card import CARD, Presentation, model_card, use_here
from cxr_clip.sharing.facts import Facts, write_facts
from cxr_clip.tensor_files import save_weights
from cxr_clip.whole_files import refuse_unwritable

# What belongs to the weights of a run, and goes where they go.
BESIDE_WEIGHTS = (CALIBRATION, REFERENCE)


def write_model(
    folder: Path,
    run: Run,
    facts: Facts,
    *,
    licence: str = "other",
    address: str | None = None,
    source: Path | None = None,
) -> None:
    """Write weights, architectures, input statistics, tokeniser, recipe, facts and card into a new folder.

    What the run folder `source` has beside its weights, its calibration and its reference, comes along. Raises
    CheckpointError where the folder holds anything.
    """
    refuse_occupied(folder)
    shared = without_places(run)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / WEIGHTS, run.model)
    beside = [source / name for name in BESIDE_WEIGHTS] if source is not None else []
    for file in filter(Path.is_file, beside):
        shutil.copyfile(file, folder / file.name)
    write_facts(folder, facts)
    presentation = Presentation(use=use_here(address), licence=licence)
    (folder / CARD).write_text(model_card(shared, facts, presentation), encoding="utf-8")
    # Last, as its recipe makes the folder a run.
    write_run(folder, shared)


def refuse_occupied(folder: Path) -> None:
    """Raise CheckpointError where `folder` is a file or not empty, OutputError where it cannot be written."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise CheckpointError(f"{folder} is there and not empty: give the path of a new folder")
    refuse_unwritable(folder)


def without_places(run: Run) -> Run:
    """Return the run with the last name of every path in it: the rest means nothing elsewhere, and tells of here."""
    earlier = tuple(map(_without_places, run.started_from))
    return replace(run, recipe=_without_places(run.recipe), started_from=earlier)


def _without_places(recipe: Recipe) -> Recipe:
    data, model = recipe.data, recipe.model
    sources = tuple(one.model_copy(update={"manifest": Path(one.manifest.name)}) for one in data.sources)
    prompts = Path(data.prompts.name) if data.prompts is not None else None
    image = model.image.model_copy(update={"pretrained": _name(model.image.pretrained)})
    text = model.text.model_copy(update={"pretrained": _name(model.text.pretrained)})
    return recipe.model_copy(
        update={
            "data": data.model_copy(update={"sources": sources, "prompts": prompts}),
            "model": model.model_copy(update={"image": image, "text": text, "start_from": _name(model.start_from)}),
        }
    )


def _name(place: str | None) -> str | None:
    """A name on the hub stays; of the path of a folder the last part does."""
    if place is None or (place.count("/") <= 1 and not Path(place).is_dir()):
        return place
    return Path(place).name
