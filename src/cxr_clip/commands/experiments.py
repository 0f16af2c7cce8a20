"""The commands that train many runs and compare them: ablate, learning-curve, reproduce."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cxr_clip.commands.arguments import Overrides, Quiet, RecipeFile, Resamples
from cxr_clip.errors import ExperimentError
from cxr_clip.study import Split
from cxr_clip.terminal import bar, plural_s, say, show_rows

if TYPE_CHECKING:
    from cxr_clip.experiments.comparison import Compared
    from cxr_clip.experiments.experiment import Experiment
    from cxr_clip.experiments.trials import Examination, Trial
    from cxr_clip.recipe import Recipe

Out = Annotated[Path, typer.Argument(help="The folder of the experiment; what is finished in it is passed over.")]
Seeds = Annotated[int, typer.Option(help="How many seeds each arm has: 0, 1, ...", min=1)]
Manifest = Annotated[
    Path | None,
    typer.Option(help="The manifest to measure on.", show_default="that of the recipe's first source"),
]
Part = Annotated[Split, typer.Option(help="The split to measure.")]
Audit = Annotated[bool, typer.Option("--audit/--no-audit", help="Look for studies that were trained on, in each run.")]
AtOnce = Annotated[
    int | None,
    typer.Option(
        help="Runs at the same time, of one thread each.", min=1, show_default="one for each core; one on a GPU"
    ),
]

reproduce_app = typer.Typer(name="reproduce", no_args_is_help=True, help="The paper's comparisons, run again.")


def ablate(
    recipe: RecipeFile,
    out: Out,
    overrides: Overrides = None,
    *,
    vary: Annotated[
        list[str],
        typer.Option(
            help="An arm: a short-hand such as icl=off, or 'NAME: section.key=value ...'; "
            "give the option once for each."
        ),
    ],
    seeds: Seeds = 5,
    manifest: Manifest = None,
    split: Part = Split.TEST,
    resamples: Resamples = 2000,
    audit: Audit = True,
    processes: AtOnce = None,
    quiet: Quiet = False,
) -> None:
    """Train a recipe and variants of it with several seeds; writes OUT/ablation.json and OUT/ablation.html.

    Example: cxr-clip ablate recipes/openi.yaml runs/ablation --vary icl=off --vary tcl=off --seeds 3
    """
    from cxr_clip.experiments.arms import BASELINE, Arm, read_arm
    from cxr_clip.experiments.experiment import Experiment
    from cxr_clip.experiments.written import write_experiment

    plain = _recipe(recipe, overrides)
    arms = (Arm(BASELINE), *(read_arm(text, plain) for text in vary))
    examination = _examination(plain, manifest, split=split, audit=audit, resamples=resamples)
    experiment = Experiment(recipe, arms, out, examination, seeds, tuple(overrides or ()), resamples)
    compared = _run(experiment, None, plain, processes=processes, quiet=quiet)
    page = write_experiment(out, "ablation", compared, title=f"Ablation of {plain.name}")
    _show(compared)
    say(f"ablation: {page}")


def learning_curve(
    recipe: RecipeFile,
    out: Out,
    overrides: Overrides = None,
    *,
    fractions: Annotated[str, typer.Option(help="Parts of the training patients, with commas.")] = "1/8,1/4,1/2,1",
    epochs: Annotated[
        str | None, typer.Option(help="Numbers of epochs with all patients, with commas.", show_default="none more")
    ] = None,
    line: Annotated[
        list[str] | None,
        typer.Option(
            help="Another line, as --vary of ablate has it: 'frozen: text=locked'; give the option once for each."
        ),
    ] = None,
    equal_steps: Annotated[
        bool, typer.Option("--equal-steps", help="Train parts so many more epochs that all make as many steps.")
    ] = False,
    seeds: Seeds = 5,
    manifest: Manifest = None,
    split: Part = Split.TEST,
    resamples: Resamples = 2000,
    audit: Audit = True,
    processes: AtOnce = None,
    quiet: Quiet = False,
) -> None:
    """Train on parts of the patients and for other numbers of epochs; writes OUT/learning-curve.json and .html.

    Example: cxr-clip learning-curve recipes/openi.yaml runs/curve --fractions 1/4,1/2,1
    """
    from cxr_clip.experiments import learning_curve as curve
    from cxr_clip.experiments.arms import BASELINE, Arm, read_arm
    from cxr_clip.experiments.experiment import Experiment
    from cxr_clip.experiments.written import write_experiment

    plain = _recipe(recipe, overrides)
    places = curve.places(
        (Arm(BASELINE), *(read_arm(text, plain) for text in line or ())),
        plain,
        fractions=[curve.read_fraction(text) for text in fractions.split(",")],
        epochs=_whole_numbers(epochs),
        equal_steps=equal_steps,
    )
    examination = _examination(plain, manifest, split=split, audit=audit, resamples=resamples)
    arms = curve.arms_of(places)
    experiment = Experiment(recipe, arms, out, examination, seeds, tuple(overrides or ()), resamples)
    compared = _run(experiment, curve.pairs(places), plain, processes=processes, quiet=quiet)
    drawn = curve.curves(places, compared)
    page = write_experiment(out, "learning-curve", compared, title=f"Learning curve of {plain.name}", curves=drawn)
    _show(compared)
    say(f"learning curve: {page}")


@reproduce_app.command("first-three")
def first_three(
    out: Out,
    overrides: Overrides = None,
    *,
    reports: Annotated[
        Path | None, typer.Option(help="A manifest with reports.", show_default="made-up studies, made below OUT")
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            help="A manifest with labels; give the option once for each.",
            show_default="made-up studies, made below OUT",
        ),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe (YAML).", show_default="one for made-up studies")
    ] = None,
    seeds: Seeds = 5,
    manifest: Annotated[
        Path | None, typer.Option(help="The manifest to measure on.", show_default="that of the reports")
    ] = None,
    split: Part = Split.TEST,
    studies: Annotated[
        int | None, typer.Option(help="Made-up studies of each kind.", min=1, show_default="what the recipe is for")
    ] = None,
    resamples: Resamples = 2000,
    audit: Audit = True,
    processes: AtOnce = None,
    quiet: Quiet = False,
) -> None:
    """Compare plain CLIP; two views and texts, ICL and TCL; label data through prompts; writes OUT/first-three.*.

    Without --reports, --labels and --recipe it makes studies up.

    Example: cxr-clip reproduce first-three runs/first-three
    """
    from cxr_clip.experiments.experiment import Experiment
    from cxr_clip.experiments.first_three import PAIRS, first_three, verdicts
    from cxr_clip.experiments.made_up import World, make_world, small_recipe
    from cxr_clip.experiments.written import write_experiment
    from cxr_clip.recipe import load_recipe

    if (reports is None) != (not labels) or (reports is not None and recipe is None):
        raise ExperimentError("your own studies need --reports, --labels and --recipe; made-up ones none of them")
    path = recipe or small_recipe()
    plain = load_recipe(path, overrides or ())
    if reports is None:
        world = World() if studies is None else World(reports=studies, labels=studies)
        with bar("Making studies", quiet) as advance:
            made = make_world(out / "data", world, processes=processes or os.cpu_count() or 1, advance=advance)
        reports, labels = made.reports, [made.labels]
    arms = first_three(plain, reports, labels or ())
    examination = _examination(plain, manifest or reports, split=split, audit=audit, resamples=resamples)
    experiment = Experiment(path, arms, out, examination, seeds, tuple(overrides or ()), resamples)
    compared = _run(experiment, list(PAIRS), plain, processes=processes, quiet=quiet)
    found = verdicts(compared)
    page = write_experiment(out, "first-three", compared, title="The paper's comparison, run again", verdicts=found)
    _show(compared)
    show_rows(("here", "the paper's claim"), [(one.outcome, one.claim.words) for one in found])
    say(f"first three: {page}")


@reproduce_app.callback()
def _only_below() -> None:
    """Keep the name of the comparison on the command line, as there will be others."""


def _recipe(path: Path, overrides: list[str] | None) -> "Recipe":
    from cxr_clip.recipe import load_recipe

    return load_recipe(path, overrides or ())


def _examination(
    recipe: "Recipe", manifest: Path | None, *, split: Split, audit: bool, resamples: int
) -> "Examination":
    from cxr_clip.experiments.trials import Examination

    return Examination(manifest or recipe.data.sources[0].manifest, split=split, audit=audit, resamples=resamples)


def _whole_numbers(text: str | None) -> list[int]:
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ExperimentError(f"--epochs {text}: give whole numbers above 0 with commas between")
    return [int(part) for part in parts]


def _run(
    experiment: "Experiment",
    pairs: list[tuple[str, str]] | None,
    recipe: "Recipe",
    *,
    processes: int | None,
    quiet: bool,
) -> "Compared":
    from cxr_clip.assemble import choose_device
    from cxr_clip.experiments.experiment import run_experiment

    on_cpu = choose_device(recipe.train.device) == "cpu"
    at_once = processes or (os.cpu_count() or 1 if on_cpu else 1)
    with _told(quiet) as ended:
        return run_experiment(experiment, pairs, processes=at_once, ended=ended)


@contextmanager
def _told(quiet: bool) -> Iterator[Callable[[int, int, "Trial"], None]]:
    """A bar over the runs."""
    with bar("Training and measuring", quiet) as advance:

        def ended(done: int, total: int, _trial: "Trial") -> None:
            advance(done, total)

        yield ended


def _show(compared: "Compared") -> None:
    from cxr_clip.experiments.measured import FIGURES
    from cxr_clip.experiments.words import summary, trained_on

    rows = [
        (arm.name, FIGURES[name], f"{mean.estimate.value:.3f} ({mean.estimate.low:.3f} to {mean.estimate.high:.3f})")
        for name in FIGURES
        for arm in compared.arms
        if (mean := arm.means.get(name))
    ]
    show_rows(("arm", "figure", f"mean over {compared.seeds} seed{plural_s(compared.seeds)} (95 %)"), rows)
    for name, words in FIGURES.items():
        for sentence in summary(compared, name):
            say(f"{words}: {sentence}")
    if any(arm.trained_on for arm in compared.arms):
        say(f"note: {trained_on(compared)}")
