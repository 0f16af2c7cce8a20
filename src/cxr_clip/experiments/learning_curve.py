"""How figures grow with data and with compute: parts of the patients, and numbers of epochs, on several lines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from cxr_clip.errors import ExperimentError
from cxr_clip.experiments.arms import Arm
from cxr_clip.experiments.comparison import ArmFigures, Compared
from cxr_clip.recipe import Recipe

DATA, COMPUTE = "data", "compute"
ALL_PATIENTS = "all patients"


@dataclass(frozen=True)
class Place:
    """One place of a curve: the arm that is trained there, its line, and what is varied: "data" or "compute".

    `whole` is the arm of the line with all patients and its own number of epochs, which is on both axes.
    """

    arm: Arm
    line: str
    axis: str
    whole: Arm


def read_fraction(text: str) -> Fraction:
    """Read 1/8 or 0.125. Raises ExperimentError for what is not above 0 and at most 1."""
    try:
        value = Fraction(text.strip())
    except (ValueError, ZeroDivisionError) as error:
        raise ExperimentError(f"{text!r} is no fraction: write 1/8 or 0.125") from error
    if not 0 < value <= 1:
        raise ExperimentError(f"the fraction {text} is not above 0 and at most 1")
    return value


def places(
    lines: Sequence[Arm], recipe: Recipe, *, fractions: Sequence[Fraction], epochs: Sequence[int], equal_steps: bool
) -> list[Place]:
    """List the places of every line: parts of the patients, then all of them with fewer epochs to more.

    The subsets of a seed are nested. With `equal_steps` a part is trained so many more epochs that it makes about as
    many steps as the whole. Raises ExperimentError where a line, or the recipe, has a part of its own.
    """
    found: list[Place] = []
    for line in lines:
        _refuse_part(line, recipe)
        own = _epochs(line, recipe)
        whole = replace(line, name=f"{line.name}, {ALL_PATIENTS}")
        parts = [_part(line, fraction, own if equal_steps else None) for fraction in sorted(set(fractions) - {1})]
        others = {count: _longer(line, count) for count in sorted(set(epochs) - {own})}
        fewer = [arm for count, arm in others.items() if count < own]
        more = [arm for count, arm in others.items() if count > own]
        placed = [(arm, DATA) for arm in parts] + [(arm, COMPUTE) for arm in fewer]
        placed += [(whole, DATA)] + [(arm, COMPUTE) for arm in more]
        found += [Place(arm, line.name, axis, whole) for arm, axis in placed]
    return found


def _refuse_part(line: Arm, recipe: Recipe) -> None:
    """Raise ExperimentError where "all patients" would be a part of them already."""
    if recipe.data.part is not None or any(change.startswith("data.part") for change in line.overrides):
        raise ExperimentError(
            f"the line {line.name!r} has a data.part of its own, and --fractions are parts of all patients: leave it "
            "out, or set data.part=null over that of the recipe"
        )


def _longer(line: Arm, epochs: int) -> Arm:
    """The arm of all patients with another number of epochs."""
    name = f"{line.name}, {ALL_PATIENTS}, {_in_words(epochs)}"
    return Arm(name, (*line.overrides, f"train.epochs={epochs}"), line.seeded)


def _in_words(epochs: int) -> str:
    return "1 epoch" if epochs == 1 else f"{epochs} epochs"


def _epochs(line: Arm, recipe: Recipe) -> int:
    """How many epochs a line trains with all patients: its own number, or the recipe's."""
    own = [value for key, _, value in (change.partition("=") for change in line.overrides) if key == "train.epochs"]
    return int(own[-1]) if own and own[-1].isdecimal() else recipe.train.epochs


def _part(line: Arm, fraction: Fraction, whole: int | None) -> Arm:
    """The arm of a part; `whole` is how many epochs of all patients it makes up for, None for those of the line."""
    changes, name = [f"data.part.fraction={float(fraction)}"], f"{line.name}, {fraction} of the patients"
    if whole is not None:
        epochs = round(whole / fraction)
        changes.append(f"train.epochs={epochs}")
        name += f", {_in_words(epochs)}"
    return Arm(name, (*line.overrides, *changes), seeded=(*line.seeded, "data.part.seed"))


def pairs(found: Sequence[Place]) -> list[tuple[str, str]]:
    """Every place against the whole of its line."""
    return [(place.arm.name, place.whole.name) for place in found if place.arm is not place.whole]


def arms_of(found: Sequence[Place]) -> tuple[Arm, ...]:
    """The arms to train, each once."""
    return tuple({place.arm.name: place.arm for place in found}.values())


@dataclass(frozen=True)
class Curve:
    """The arms of one line on one axis, with the amount at each: studies trained on, or steps."""

    line: str
    axis: str
    points: tuple[tuple[int, ArmFigures], ...]


def curves(found: Sequence[Place], compared: Compared) -> tuple[Curve, ...]:
    """Put the figures in their places; a line is drawn over what has at least two places."""
    by_name = {arm.name: arm for arm in compared.arms}
    drawn: list[Curve] = []
    for axis in (DATA, COMPUTE):
        for line in dict.fromkeys(place.line for place in found):
            here = [one for one in found if one.line == line and (one.axis == axis or one.arm is one.whole)]
            arms = [by_name[one.arm.name] for one in here]
            points = sorted(((arm.studies if axis == DATA else arm.steps, arm) for arm in arms), key=lambda one: one[0])
            if len(points) > 1:
                drawn.append(Curve(line, axis, tuple(points)))
    return tuple(drawn)
