"""The commands that work on models: train, evaluate, recipe, quickstart."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.commands.arguments import (
    Device,
    Overrides,
    PromptFile,
    Quiet,
    RecipeFile,
    Resamples,
    RunFolder,
    ScanCache,
    processes_or_cores,
)
from cxr_clip.errors import EvaluationError
from cxr_clip.study import Split
from cxr_clip.terminal import bar, console, say, show_evaluation, show_rows

Styles = Annotated[
    list[str] | None,
    typer.Option(
        help="A style of prompts; give the option once for each.",
        show_default="standard and paraphrase, or all of --prompts",
    ),
]
Findings = Annotated[
    list[str] | None,
    typer.Option(help="A finding to measure; give the option once for each.", show_default="all with labels"),
]


def train(
    recipe: RecipeFile,
    run: Annotated[Path, typer.Argument(help="The run folder; a run that is there is continued.")],
    overrides: Overrides = None,
    *,
    profile: Annotated[bool, typer.Option("--profile", help="Record a few steps into RUN/profile.")] = False,
    quiet: Quiet = False,
) -> None:
    """Pre-train on the manifests of a recipe, or continue the run in RUN where it stopped.

    Example: cxr-clip train recipes/openi.yaml runs/openi train.epochs=5
    """
    from cxr_clip.distributed import joined_workers
    from cxr_clip.errors import CheckpointError
    from cxr_clip.heap import keep_freed_memory
    from cxr_clip.make_reference import reference_of_run
    from cxr_clip.recipe import load_recipe
    from cxr_clip.train.train_run import train_run

    keep_freed_memory()
    with joined_workers() as workers:
        result = train_run(
            load_recipe(recipe, overrides or ()), run, progress=not quiet, profile=profile, workers=workers
        )
    if not workers.leads:
        return
    say(result.summary)
    try:
        with bar("Looking at what images are usual", quiet) as advance:
            reference_of_run(run, advance=advance)
    except CheckpointError as error:  # the run itself is whole
        say(f"the model will not abstain: {error}")
    say(f"next: cxr-clip evaluate {run} MANIFEST_FOLDER")


TrainedOn = Annotated[
    list[Path] | None,
    typer.Option(
        help="A manifest that the model was trained on; give the option once for each.",
        show_default="those of its recipe",
    ),
]


def evaluate(
    model: RunFolder,
    manifests: Annotated[list[Path], typer.Argument(help="A manifest folder; several with --benchmarks.")],
    *,
    benchmarks: Annotated[
        str | None,
        typer.Option(
            help="Names that `cxr-clip benchmarks` lists, with commas, or all: those made for the manifests.",
            show_default="every finding and retrieval, whatever the data set",
        ),
    ] = None,
    split: Annotated[Split | None, typer.Option(help="The split to measure.", show_default="test")] = None,
    style: Styles = None,
    prompts: PromptFile = None,
    finding: Findings = None,
    resamples: Resamples = 1000,
    out: Annotated[
        Path | None, typer.Option(help="The folder for the report.", show_default="the model's folder")
    ] = None,
    trained_on: TrainedOn = None,
    audit: Annotated[
        bool, typer.Option("--audit/--no-audit", help="Look for studies that the model was trained on.")
    ] = True,
    cache: ScanCache = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Measure a model: zero-shot, retrieval, few-shot; writes report.json and report.html.

    Example: cxr-clip evaluate runs/openi data/openi --split test
    """
    from cxr_clip.data.findings import canonical
    from cxr_clip.evaluate.benchmarks import EvaluationOptions
    from cxr_clip.evaluate.evaluate_run import (
        BenchmarkRequest,
        EvaluationRequest,
        TrainingRequest,
        evaluate_benchmarks,
        evaluate_run,
    )

    training = TrainingRequest(tuple(trained_on) if trained_on else None, audit, cache)
    if benchmarks is not None:
        _refuse_beside_benchmarks(split=split, style=style, prompts=prompts, finding=finding)
        names = tuple(name.strip() for name in benchmarks.split(","))
        asked = BenchmarkRequest(tuple(manifests), names, EvaluationOptions(resamples=resamples), training)
        with bar("Embedding images", quiet) as advance:
            evaluation = evaluate_benchmarks(model, asked, out=out, device=device, advance=advance)
        show_evaluation(evaluation)
        return
    if len(manifests) > 1:
        raise EvaluationError("several manifests need --benchmarks NAME,NAME or --benchmarks all: or give one manifest")
    request = EvaluationRequest(
        manifest=manifests[0],
        split=split or Split.TEST,
        styles=tuple(style) if style else None,
        prompts=prompts,
        options=EvaluationOptions(
            findings=tuple(canonical(name) for name in finding) if finding else None, resamples=resamples
        ),
        training=training,
    )
    with bar("Embedding images", quiet) as advance:
        evaluation = evaluate_run(model, request, out=out, device=device, advance=advance)
    show_evaluation(evaluation)


def benchmarks() -> None:
    """List the benchmarks of evaluate: name, hash, the part that is measured, and how."""
    from cxr_clip.evaluate.benchmark_rows import HEAD, rows

    show_rows(HEAD, rows())


def _refuse_beside_benchmarks(**options: object) -> None:
    """Raise EvaluationError for an option that a benchmark of the table has its own answer to."""
    given = [f"--{name}" for name, value in options.items() if value]
    if given:
        raise EvaluationError(
            f"{', '.join(given)} has no effect beside --benchmarks, whose records say it: leave one of them out"
        )


def recipe(
    path: Annotated[Path, typer.Argument(help="A recipe (YAML) or a run folder.")], overrides: Overrides = None
) -> None:
    """Print a recipe whole, with every default and override.

    Example: cxr-clip recipe recipes/openi.yaml train.epochs=5
    """
    from cxr_clip.recipe import dump_recipe, load_recipe

    path = path / "recipe.yaml" if path.is_dir() else path
    sys.stdout.write(dump_recipe(load_recipe(path, overrides or ())))


def quickstart(
    overrides: Overrides = None,
    *,
    run: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/quickstart"),
    data: Annotated[Path, typer.Option(help="The folder for the made-up data.")] = Path("data-quickstart"),
    studies: Annotated[
        int | None, typer.Option(help="Made-up studies of each source.", show_default="what the recipe is for")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Make studies, prepare, pre-train, evaluate: a model and its report from nothing, in minutes."""
    from cxr_clip.quickstart import Places, Sizes, activation, farewell, quickstart_steps

    places, cores = Places(data=data, run=run), processes_or_cores(None)
    sizes = Sizes(processes=cores) if studies is None else Sizes(openi=studies, chestxray14=studies, processes=cores)
    steps = quickstart_steps(places, sizes, tuple(overrides or ()), quiet=quiet)
    for number, step in enumerate(steps, start=1):
        console.rule(f"{number}/{len(steps)} {step.title}", align="left")
        start = time.monotonic()
        with bar(step.title, quiet or step.draws_itself) as advance:
            outcome = step.run(advance)
        took = f"({time.monotonic() - start:.0f} s)"
        console.print(outcome, took, highlight=False, markup=False, soft_wrap=True)
    say(farewell(places, activate=activation(Path(sys.executable), os.environ.get("PATH", ""))))
