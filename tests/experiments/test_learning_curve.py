"""What is trained for a learning curve, and what is drawn over what."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cxr_clip.errors import ExperimentError
from cxr_clip.experiments.arms import SHORTHANDS, Arm
from cxr_clip.experiments.comparison import ArmFigures, Compared
from cxr_clip.experiments.learning_curve import arms_of, curves, pairs, places, read_fraction
from cxr_clip.experiments.made_up import small_recipe
from cxr_clip.experiments.page import experiment_html
from cxr_clip.experiments.seed_intervals import SeedFigures, mean_over_seeds
from cxr_clip.experiments.trials import plan
from cxr_clip.recipe import load_recipe

# Of the recipe: names and numbers below follow from it.
EPOCHS = load_recipe(small_recipe()).train.epochs
LINES = (Arm("baseline"), Arm("frozen", SHORTHANDS["text=locked"]))


def asked(**changes):
    settings = {"fractions": [Fraction(1, 4), Fraction(1, 2), Fraction(1)], "epochs": [1, EPOCHS], "equal_steps": False}
    return places(LINES, load_recipe(small_recipe()), **{**settings, **changes})


def test_every_line_has_parts_and_the_whole_between_fewer_and_more_epochs() -> None:
    assert [place.arm.name for place in asked(epochs=[EPOCHS + 2, 1, EPOCHS])] == [
        f"{line}, {what}"
        for line in ("baseline", "frozen")
        for what in (
            "1/4 of the patients",
            "1/2 of the patients",
            "all patients, 1 epoch",
            "all patients",
            f"all patients, {EPOCHS + 2} epochs",
        )
    ]
    assert pairs(asked())[:3] == [
        (f"baseline, {part}", "baseline, all patients")
        for part in ("1/4 of the patients", "1/2 of the patients", "all patients, 1 epoch")
    ]


def test_parts_that_train_longer_are_named_for_it_and_have_folders_of_their_own() -> None:
    names = [arm.name for arm in arms_of(asked(equal_steps=True, epochs=[]))]
    assert names[:3] == [
        f"baseline, 1/4 of the patients, {4 * EPOCHS} epochs",
        f"baseline, 1/2 of the patients, {2 * EPOCHS} epochs",
        "baseline, all patients",
    ]


def test_the_part_and_the_training_take_the_seed(tmp_path: Path) -> None:
    trials = plan(small_recipe(), arms_of(asked()), tmp_path, seeds=2)
    part = [trial.recipe for trial in trials if trial.arm.name == "frozen, 1/2 of the patients"]
    assert [(one.data.part.fraction, one.data.part.seed, one.train.seed) for one in part] == [(0.5, 0, 0), (0.5, 1, 1)]
    assert {one.model.text.train for one in part} == {"locked"}


def test_equal_steps_are_more_epochs_of_fewer_studies(tmp_path: Path) -> None:
    trials = plan(small_recipe(), arms_of(asked(equal_steps=True)), tmp_path, seeds=1)
    assert [trial.recipe.train.epochs for trial in trials[:4]] == [4 * EPOCHS, 2 * EPOCHS, 1, EPOCHS]


def test_a_line_with_epochs_of_its_own_is_the_whole_of_its_parts(tmp_path: Path) -> None:
    long = (Arm("long", ("train.epochs=4",)),)
    found = places(long, load_recipe(small_recipe()), fractions=[Fraction(1, 2)], epochs=[3, 4], equal_steps=True)
    trials = plan(small_recipe(), arms_of(found), tmp_path, seeds=1)
    assert [trial.recipe.train.epochs for trial in trials] == [8, 3, 4]


def test_a_part_of_a_part_is_refused() -> None:
    recipe = load_recipe(small_recipe())
    half = load_recipe(small_recipe(), ["data.part.fraction=0.5"])
    for line, of in ((Arm("half", ("data.part.fraction=0.5",)), recipe), (Arm("all"), half)):
        with pytest.raises(ExperimentError, match=r"has a data\.part of its own"):
            places([line], of, fractions=[Fraction(1, 2)], epochs=[], equal_steps=False)


@pytest.mark.parametrize("text", ["0", "3/2", "-1", "1/0", "half"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with pytest.raises(ExperimentError, match="fraction"):
        read_fraction(text)
    assert read_fraction(" 1/8") == Fraction(1, 8) == read_fraction("0.125")


def test_curves_are_drawn_over_studies_and_over_steps() -> None:
    def figures(name: str, steps: int, studies: int) -> ArmFigures:
        mean = mean_over_seeds(SeedFigures(np.asarray([0.6, 0.7]), np.full((2, 5), 0.65)))
        return ArmFigures(name, (), {"auroc/macro": mean}, {"auroc/macro": (0.6, 0.7)}, steps, studies, 60.0)

    found = asked(epochs=[1])
    sizes = {
        "1/4 of the patients": (3, 25),
        "1/2 of the patients": (6, 50),
        "all patients": (12, 100),
        "all patients, 1 epoch": (4, 100),
    }
    arms = [figures(f"{line}, {what}", *size) for line in ("baseline", "frozen") for what, size in sizes.items()]
    compared = Compared(tuple(arms), (), {"auroc/macro": 0.5}, seeds=2, resamples=5)
    drawn = curves(found, compared)
    assert [(one.line, one.axis, [amount for amount, _ in one.points]) for one in drawn] == [
        ("baseline", "data", [25, 50, 100]),
        ("frozen", "data", [25, 50, 100]),
        ("baseline", "compute", [4, 12]),
        ("frozen", "compute", [4, 12]),
    ]
    page = experiment_html("Curve", compared, curves=drawn)
    assert "With more data" in page
    assert page.count('aria-label="Zero-shot macro AUROC over') == 2
