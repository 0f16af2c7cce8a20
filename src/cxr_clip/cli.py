"""The command `cxr-clip`: parse, call, render. Everything heavy is imported inside the commands."""

import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cxr_clip.errors import CxrClipError
from cxr_clip.study import Split
from cxr_clip.terminal import bar, console, say, say_on_stderr, show_evaluation, show_prepared

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Contrastive language-image pre-training for chest X-rays: from raw downloads to a measured model.",
)
prepare_app = typer.Typer(no_args_is_help=True, help="Turn a data set as downloaded into a manifest and image shards.")
app.add_typer(prepare_app, name="prepare")
INTERRUPTED = 130
CONTINUING = ("prepare", "train", "quickstart")

RawFolder = Annotated[Path, typer.Argument(help="The data set as downloaded (unpacked).")]
OutFolder = Annotated[Path, typer.Argument(help="Where the manifest and the image shards go.")]
ShortSide = Annotated[int, typer.Option(help="Stored images have at most this short side, in pixels.", min=32)]
Processes = Annotated[int | None, typer.Option(help="Processes to use; default: one for each core.", min=1)]
Projections = Annotated[
    Path | None,
    typer.Option(
        help="CSV of uid, image_id, projection; default: projections.csv or indiana_projections.csv in RAW if one is "
        "there, else the views are unknown."
    ),
]
Splits = Annotated[
    Path | None,
    typer.Option(
        help="CSV of uid, split; default: split.csv in RAW if it is there, else 80/10/10 % by a hash of the report's "
        "text, so that equal reports stay together."
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="CSV of uid and findings as 0/1; default: labels_nih14.csv in RAW if it is there, else the MeSH terms."
    ),
]
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
Overrides = Annotated[list[str] | None, typer.Argument(help="Settings as section.key=value.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")]


class World(StrEnum):
    """The raw layouts in which made-up studies can be written."""

    OPENI = "openi"
    CHESTXRAY14 = "chestxray14"


@prepare_app.command("openi")
def prepare_openi(
    raw: RawFolder,
    out: OutFolder,
    *,
    projections: Projections = None,
    splits: Splits = None,
    labels: Labels = None,
    short_side: ShortSide = 512,
    processes: Processes = None,
    quiet: Quiet = False,
) -> None:
    """Prepare the Open-I (Indiana University) collection: XML reports with frontal and lateral images."""
    from cxr_clip.prepare.openi import prepare_openi as prepare
    from cxr_clip.prepare.pipeline import PrepareOptions

    options = PrepareOptions(short_side=short_side, processes=_processes(processes))
    with bar("Preparing studies", quiet) as advance:
        summary = prepare(raw, out, options, projections=projections, splits=splits, labels=labels, progress=advance)
    show_prepared(summary, out)


@prepare_app.command("chestxray14")
def prepare_chestxray14(
    raw: RawFolder, out: OutFolder, *, short_side: ShortSide = 512, processes: Processes = None, quiet: Quiet = False
) -> None:
    """Prepare NIH ChestX-ray14: images with 14 labels; a partial download is fine."""
    from cxr_clip.prepare.chestxray14 import prepare_chestxray14 as prepare
    from cxr_clip.prepare.pipeline import PrepareOptions

    options = PrepareOptions(short_side=short_side, processes=_processes(processes))
    with bar("Preparing studies", quiet) as advance:
        summary = prepare(raw, out, options, progress=advance)
    show_prepared(summary, out)


@app.command()
def synthesize(
    world: Annotated[World, typer.Argument(help="The raw layout to write.")],
    out: Annotated[Path, typer.Argument(help="The folder to write it into.")],
    *,
    studies: Annotated[int, typer.Option(help="How many studies.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed writes the same bytes.", min=0)] = 0,
    image_size: Annotated[int, typer.Option(help="Side of the images in pixels.", min=64)] = 256,
    processes: Processes = None,
    quiet: Quiet = False,
) -> None:
    """Write made-up chest X-ray studies in the raw layout of a public data set."""
    from cxr_clip import synthetic

    write = {World.OPENI: synthetic.synthesize_openi, World.CHESTXRAY14: synthetic.synthesize_chestxray14}[world]
    with bar("Making studies", quiet) as advance:
        write(
            out,
            studies=studies,
            seed=seed,
            processes=_processes(processes),
            image_size=image_size,
            progress=lambda done: advance(done, studies),
        )
    say(f"{studies} made-up studies in {out}\nnext: cxr-clip prepare {world.value} {out} MANIFEST_FOLDER")


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe (YAML).")],
    run: Annotated[Path, typer.Argument(help="The run folder; a run that is there is continued.")],
    overrides: Overrides = None,
    *,
    quiet: Quiet = False,
) -> None:
    """Pre-train on the manifests of a recipe, or continue the run in RUN where it stopped."""
    from cxr_clip.recipe import load_recipe
    from cxr_clip.train.train_run import train_run

    result = train_run(load_recipe(recipe, overrides or ()), run, progress=not quiet)
    say(result.summary)
    say(f"next: cxr-clip evaluate {run} MANIFEST_FOLDER")


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    manifest: Annotated[Path, typer.Argument(help="A manifest folder.")],
    *,
    split: Annotated[Split, typer.Option(help="The part of the manifest.")] = Split.TEST,
    style: Styles = None,
    prompts: Annotated[Path | None, typer.Option(help="A zero-shot prompt file of your own.")] = None,
    finding: Findings = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples for the intervals.", min=100)] = 1000,
    out: Annotated[Path | None, typer.Option(help="Where the report goes; default: the run folder.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    quiet: Quiet = False,
) -> None:
    """Measure zero-shot classification and retrieval; writes report.json and report.html."""
    from cxr_clip.data.findings import canonical
    from cxr_clip.evaluate.benchmarks import EvaluationOptions
    from cxr_clip.evaluate.evaluate_run import EvaluationRequest, evaluate_run

    request = EvaluationRequest(
        manifest=manifest,
        split=split,
        styles=tuple(style) if style else None,
        prompts=prompts,
        options=EvaluationOptions(
            findings=tuple(canonical(name) for name in finding) if finding else None, resamples=resamples
        ),
    )
    with bar("Embedding images", quiet) as advance:
        evaluation = evaluate_run(run, request, out=out, device=device, advance=advance)
    show_evaluation(evaluation)


@app.command()
def recipe(
    path: Annotated[Path, typer.Argument(help="A recipe (YAML) or a run folder.")], overrides: Overrides = None
) -> None:
    """Print a recipe whole, with every default and override."""
    from cxr_clip.recipe import dump_recipe, load_recipe

    path = path / "recipe.yaml" if path.is_dir() else path
    sys.stdout.write(dump_recipe(load_recipe(path, overrides or ())))


@app.command()
def quickstart(
    overrides: Overrides = None,
    *,
    run: Annotated[Path, typer.Option(help="The run folder.")] = Path("runs/quickstart"),
    data: Annotated[Path, typer.Option(help="Where the made-up data goes.")] = Path("data-quickstart"),
    studies: Annotated[
        int | None, typer.Option(help="Studies of each source; default: what the recipe is for.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Make studies, prepare, pre-train, evaluate: a model and its report from nothing, in minutes."""
    from cxr_clip.quickstart import Places, Sizes, activation, farewell, quickstart_steps

    places, cores = Places(data=data, run=run), _processes(None)
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


def main() -> None:
    """Run the command; a user's mistake is one sentence and exit code 2, an interruption exit code 130."""
    try:
        app()
    except CxrClipError as error:
        say_on_stderr(str(error))
        sys.exit(2)
    except SystemExit as ended:
        # Typer turns an interruption into this exit code, without a word.
        if ended.code == INTERRUPTED:
            _say_stopped(sys.argv)
        raise
    except KeyboardInterrupt:
        _say_stopped(sys.argv)
        sys.exit(INTERRUPTED)


def _say_stopped(arguments: list[str]) -> None:
    """Say on stderr what the same command does next time."""
    continues = any(name in CONTINUING for name in arguments[1:2])
    what = "continues where this one stopped" if continues else "starts again"
    say_on_stderr(f"stopped; the same command {what}")


def _processes(asked: int | None) -> int:
    return asked or os.cpu_count() or 1
