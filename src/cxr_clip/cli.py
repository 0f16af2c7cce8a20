"""The command `cxr-clip`: parse, call, render. Everything heavy is imported inside the commands."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from rich.console import Console

from cxr_clip.errors import CxrClipError
from cxr_clip.study import Split

if TYPE_CHECKING:
    from cxr_clip.evaluate.evaluate_run import Evaluation
    from cxr_clip.prepare.pipeline import PrepareSummary

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Contrastive language-image pre-training for chest X-rays: from raw downloads to a measured model.",
)
prepare_app = typer.Typer(no_args_is_help=True, help="Turn a data set as downloaded into a manifest and image shards.")
app.add_typer(prepare_app, name="prepare")
INTERRUPTED = 130
console = Console()
progress_console = Console(stderr=True)

RawFolder = Annotated[Path, typer.Argument(help="The data set as downloaded (unpacked).")]
OutFolder = Annotated[Path, typer.Argument(help="Where the manifest and the image shards go.")]
ShortSide = Annotated[int, typer.Option(help="Stored images have at most this short side, in pixels.", min=32)]
Processes = Annotated[int | None, typer.Option(help="Processes to use; default: one for each core.", min=1)]
Overrides = Annotated[list[str] | None, typer.Argument(help="Settings as section.key=value.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")]


class World(StrEnum):
    """The raw layouts in which made-up studies can be written."""

    OPENI = "openi"
    CHESTXRAY14 = "chestxray14"


class Advance(Protocol):
    """Tells a progress bar how much is done, and of how much where that is known."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """Move the bar to `done` of `total`."""


@prepare_app.command("openi")
def prepare_openi(
    raw: RawFolder,
    out: OutFolder,
    *,
    projections: Annotated[Path | None, typer.Option(help="CSV of uid, image_id, projection: the views.")] = None,
    splits: Annotated[Path | None, typer.Option(help="CSV of uid, split; default: by patient, 80/10/10.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV of uid and findings as 0/1; default: the MeSH terms.")
    ] = None,
    short_side: ShortSide = 512,
    processes: Processes = None,
    quiet: Quiet = False,
) -> None:
    """Prepare the Open-I (Indiana University) collection: XML reports with frontal and lateral images."""
    from cxr_clip.prepare.openi import prepare_openi as prepare
    from cxr_clip.prepare.pipeline import PrepareOptions

    options = PrepareOptions(short_side=short_side, processes=_processes(processes))
    with _bar("Preparing studies", quiet) as advance:
        summary = prepare(raw, out, options, projections=projections, splits=splits, labels=labels, progress=advance)
    _show_prepared(summary, out)


@prepare_app.command("chestxray14")
def prepare_chestxray14(
    raw: RawFolder, out: OutFolder, *, short_side: ShortSide = 512, processes: Processes = None, quiet: Quiet = False
) -> None:
    """Prepare NIH ChestX-ray14: images with 14 labels; a partial download is fine."""
    from cxr_clip.prepare.chestxray14 import prepare_chestxray14 as prepare
    from cxr_clip.prepare.pipeline import PrepareOptions

    options = PrepareOptions(short_side=short_side, processes=_processes(processes))
    with _bar("Preparing studies", quiet) as advance:
        summary = prepare(raw, out, options, progress=advance)
    _show_prepared(summary, out)


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
    with _bar("Making studies", quiet) as advance:
        write(
            out,
            studies=studies,
            seed=seed,
            processes=_processes(processes),
            image_size=image_size,
            progress=lambda done: advance(done, studies),
        )
    _say(f"{studies} made-up studies in {out}\nnext: cxr-clip prepare {world.value} {out} MANIFEST_FOLDER")


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
    _say(result.summary)
    _say(f"next: cxr-clip evaluate {run} MANIFEST_FOLDER")


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    manifest: Annotated[Path, typer.Argument(help="A manifest folder.")],
    *,
    split: Annotated[Split, typer.Option(help="The part of the manifest.")] = Split.TEST,
    style: Annotated[list[str] | None, typer.Option(help="Prompt styles; default: standard and paraphrase.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="A zero-shot prompt file of your own.")] = None,
    finding: Annotated[list[str] | None, typer.Option(help="Findings to measure; default: all with labels.")] = None,
    resamples: Annotated[int, typer.Option(help="Bootstrap resamples for the intervals.", min=100)] = 1000,
    out: Annotated[Path | None, typer.Option(help="Where the report goes; default: the run folder.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    quiet: Quiet = False,
) -> None:
    """Measure zero-shot classification and retrieval; writes report.json and report.html."""
    from cxr_clip.data.findings import canonical
    from cxr_clip.evaluate.benchmarks import EvaluationOptions
    from cxr_clip.evaluate.evaluate_run import EvaluationRequest, evaluate_run

    request = EvaluationRequest(
        manifest=manifest,
        split=split,
        styles=tuple(style or ("standard", "paraphrase")),
        prompts=prompts,
        options=EvaluationOptions(
            findings=tuple(canonical(name) for name in finding) if finding else None, resamples=resamples
        ),
    )
    with _bar("Embedding images", quiet) as advance:
        evaluation = evaluate_run(run, request, out=out, device=device, advance=_counted(advance))
    _show_evaluation(evaluation)


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
    from cxr_clip.quickstart import Places, Sizes, farewell, quickstart_steps

    places, cores = Places(data=data, run=run), _processes(None)
    sizes = Sizes(processes=cores) if studies is None else Sizes(openi=studies, chestxray14=studies, processes=cores)
    steps = quickstart_steps(places, sizes, tuple(overrides or ()))
    for number, step in enumerate(steps, start=1):
        console.rule(f"{number}/{len(steps)} {step.title}", align="left")
        start = time.monotonic()
        with _bar(step.title, quiet) as advance:
            outcome = step.run(advance)
        took = f"({time.monotonic() - start:.0f} s)"
        console.print(outcome, took, highlight=False, markup=False, soft_wrap=True)
    _say(farewell(places))


def main() -> None:
    """Run the command; a user's mistake is one sentence and exit code 2, an interruption exit code 130."""
    try:
        app()
    except CxrClipError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"cxr-clip: {error}", markup=False)
        sys.exit(2)
    except SystemExit as ended:
        # Typer turns an interruption into this exit code, without a word.
        if ended.code == INTERRUPTED:
            _say_how_to_go_on()
        raise
    except KeyboardInterrupt:
        _say_how_to_go_on()
        sys.exit(INTERRUPTED)


def _say_how_to_go_on() -> None:
    Console(stderr=True, soft_wrap=True).print("cxr-clip: stopped; the same command continues where this one stopped")


def _say(words: str) -> None:
    """Print a sentence as it is: no markup, as paths may hold brackets, and no line breaks inside."""
    console.print(words, highlight=False, markup=False, soft_wrap=True)


def _processes(asked: int | None) -> int:
    import os

    return asked or os.cpu_count() or 1


@contextmanager
def _bar(title: str, quiet: bool) -> Iterator[Advance]:
    """A progress bar on stderr with the time left; none where stderr is no terminal or `quiet` is asked."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = quiet or not progress_console.is_terminal
    with Progress(*columns, console=progress_console, disable=hidden, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def advance(done: int, total: int | None = None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def _counted(advance: Advance) -> "_Counter":
    return _Counter(advance)


class _Counter:
    """Adds up increments for a bar that wants the sum."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._done = 0

    def __call__(self, more: int) -> None:
        self._done += more
        self._advance(self._done)


def _show_prepared(summary: "PrepareSummary", out: Path) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(f"{summary.source} in {out}"), title_justify="left", show_header=False)
    table.add_row("studies", f"{summary.studies:,}")
    table.add_row("images", f"{summary.images:,}")
    for split, count in summary.splits.items():
        table.add_row(f"  {split}", f"{count:,}")
    if summary.absent_images:
        table.add_row("listed images that are absent (absent.txt)", f"{summary.absent_images:,}")
    for remark, count in summary.remarks.items():
        table.add_row(escape(remark), f"{count:,}")
    for reason, count in summary.rejected.items():
        table.add_row(escape(f"left out: {reason}"), f"{count:,}")
    console.print(table)
    if summary.nothing_to_do:
        _say("It was all there already: nothing to do.")
    if summary.rejected:
        _say(f"Every case that was left out, with its reason: {out / 'rejected.jsonl'}")


def _show_evaluation(evaluation: "Evaluation") -> None:
    from rich.table import Table

    for result in evaluation.results:
        table = Table("figure", "value", "95 % interval", "n", title=result.name, title_justify="left")
        for name, estimate in result.metrics.items():
            interval = "" if estimate.low is None else f"{estimate.low:.3f} to {estimate.high:.3f}"
            table.add_row(name, f"{estimate.value:.3f}", interval, str(estimate.n))
        console.print(table)
        for note in result.notes:
            _say(f"note: {note}")
    _say(f"report: {evaluation.page}")
