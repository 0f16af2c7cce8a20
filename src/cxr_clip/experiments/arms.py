"""What is compared: a recipe with some settings changed, told by a name, by a short-hand or in full."""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from cxr_clip.data.columns import has_reports
from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import ExperimentError
from cxr_clip.recipe import Recipe
from cxr_clip.study import Split

BASELINE = "baseline"
# Stands for every position of a list: data.sources.*.label_prompts=0.
EVERY = "*"
# Bytes of a name: file systems take 255 for a folder.
LONGEST = 200


@dataclass(frozen=True)
class Arm:
    """A recipe with `overrides` (section.key=value); `seeded` are the settings that take the number of the seed."""

    name: str
    overrides: tuple[str, ...] = ()
    seeded: tuple[str, ...] = ("train.seed",)


def _with_reports(recipe: Recipe) -> tuple[str, ...]:
    """Keep the sources that have a report; their studies without one still speak through prompts."""
    kept = [source for source in recipe.data.sources if _has_report(source.manifest)]
    if not kept:
        raise ExperimentError(
            "prompts=off leaves nothing: no manifest of data.sources has a report of a training study"
        )
    told = [{**source.model_dump(mode="json"), "label_prompts": 0.0} for source in kept]
    return (f"data.sources={json.dumps(told)}",)


def _has_report(manifest: Path) -> bool:
    return has_reports(read_manifest(manifest, check=False).where(split=Split.TRAIN).table)


# Short names of changes that the paper's parts call for; each is a list of settings.
SHORTHANDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "icl=off": ("loss.image_image=0",),
        "tcl=off": ("loss.text_text=0",),
        "mvs=off": (
            "data.images_per_study=1",
            "data.texts_per_study=1",
            "loss.image_image=0",
            "loss.text_text=0",
        ),
        "images=1": ("data.images_per_study=1", "loss.image_image=0"),
        "texts=1": ("data.texts_per_study=1", "loss.text_text=0"),
        "label-prompts=off": ("data.sources.*.label_prompts=0",),
        "label-prompts=half": ("data.sources.*.label_prompts=0.5",),
        "image=resnet50": ("model.image.pretrained=null", "model.image.architecture=resnet50"),
        "image=swin-tiny": ("model.image.pretrained=null", "model.image.architecture=swin-tiny"),
        "pooling=eos": ("model.text.pooling=eos",),
        "pooling=cls": ("model.text.pooling=cls",),
        "pooling=mean": ("model.text.pooling=mean",),
        # A locked tower refuses what has no effect on it.
        "image=locked": ("model.image.train=locked", "train.factors.image=1"),
        "text=locked": ("model.text.train=locked", "model.text.dropout=null", "train.factors.text=1"),
    }
)
# Short names whose settings depend on the recipe.
SHORTHANDS_OF_RECIPE: Mapping[str, Callable[[Recipe], tuple[str, ...]]] = MappingProxyType(
    {"prompts=off": _with_reports}
)


def read_arm(text: str, recipe: Recipe) -> Arm:
    """Read `icl=off` (a short-hand), `sources=0,2`, `NAME: key=value key=value`, or `key=value key=value`.

    Raises ExperimentError for what is none of these.
    """
    name, colon, settings = text.partition(": ")
    words = (settings if colon else text).split()
    if not words or not name.strip():
        raise ExperimentError(f"{text!r} names no setting: write NAME: section.key=value, or a short-hand: {_known()}")
    return Arm(name.strip(), tuple(change for word in words for change in _changes(word, recipe)))


def _changes(word: str, recipe: Recipe) -> tuple[str, ...]:
    """The settings behind one word."""
    if word in SHORTHANDS:
        return tuple(each for change in SHORTHANDS[word] for each in _for_every_source(change, recipe))
    if word in SHORTHANDS_OF_RECIPE:
        return SHORTHANDS_OF_RECIPE[word](recipe)
    key, sign, value = word.partition("=")
    if key == "sources" and sign:
        return (_chosen_sources(value, recipe),)
    if sign and "." in key:
        return _for_every_source(word, recipe)
    near = difflib.get_close_matches(word, [*SHORTHANDS, *SHORTHANDS_OF_RECIPE], n=1)
    hint = f" - did you mean {near[0]!r}?" if near else f": short-hands are {_known()}"
    raise ExperimentError(f"{word!r} is neither section.key=value nor a short-hand{hint}")


def _for_every_source(change: str, recipe: Recipe) -> tuple[str, ...]:
    if EVERY not in change.partition("=")[0]:
        return (change,)
    return tuple(change.replace(EVERY, str(number), 1) for number in range(len(recipe.data.sources)))


def _chosen_sources(value: str, recipe: Recipe) -> str:
    """Keep the sources at these positions of the recipe's list."""
    there = recipe.data.sources
    numbers = [int(part) if part.isdecimal() else -1 for part in value.split(",")]
    if not all(0 <= number < len(there) for number in numbers):
        raise ExperimentError(
            f"sources={value}: positions in data.sources are 0 to {len(there) - 1}, with commas between"
        )
    return f"data.sources={json.dumps([there[number].model_dump(mode='json') for number in numbers])}"


def require_different(arms: Sequence[Arm]) -> None:
    """Raise ExperimentError where two arms have one name, or would have one folder, or an arm none."""
    folders: dict[str, str] = {}
    for arm in arms:
        if not 0 < len(folder_name(arm.name).encode()) <= LONGEST:
            raise ExperimentError(
                f"the arm {arm.name!r} cannot name its folder: write NAME: before its settings, a name with 1 to "
                f"{LONGEST} letters and digits"
            )
        other = folders.setdefault(folder_name(arm.name), arm.name)
        if sum(one.name == arm.name for one in arms) > 1 or other != arm.name:
            raise ExperimentError(f"the arms {other!r} and {arm.name!r} would share a folder: give them other names")


def folder_name(name: str) -> str:
    """A name as a folder has it: small letters and digits with hyphens between."""
    return "-".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())


def _known() -> str:
    return ", ".join([*SHORTHANDS, *SHORTHANDS_OF_RECIPE, "sources=0,1"])
