"""From nothing to a measured model: made-up studies, manifests, pre-training, figures on unseen patients."""

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from cxr_clip.evaluate.evaluate_run import EvaluationRequest, evaluate_run
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.make_reference import reference_of_run
from cxr_clip.prepare.chestxray14 import prepare_chestxray14
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary
from cxr_clip.recipe import Recipe, load_recipe
from cxr_clip.synthetic import synthesize_chestxray14, synthesize_openi
from cxr_clip.train.train_run import train_run

IMAGE_SIDE = 192
SEED = 7


class Advance(Protocol):
    """Tells whoever watches how much of a step is done."""

    def __call__(self, done: int, total: int | None = None) -> None:
        """Report `done` of `total`."""


@dataclass(frozen=True)
class Sizes:
    """How many made-up studies of each source, and how many processes make and prepare them."""

    openi: int = 5000
    chestxray14: int = 4000
    processes: int = 1


@dataclass(frozen=True)
class Step:
    """One step: its title and what does it, answering with a sentence about the outcome.

    A step that `draws_itself` shows its progress without being watched.
    """

    title: str
    run: Callable[[Advance], str]
    draws_itself: bool = False


@dataclass(frozen=True)
class Places:
    """Where everything goes."""

    data: Path
    run: Path

    def raw(self, source: str) -> Path:
        """The made-up download of a source."""
        return self.data / f"{source}-raw"

    def manifest(self, source: str) -> Path:
        """The prepared form of a source."""
        return self.data / source


def quickstart_steps(
    places: Places, sizes: Sizes, overrides: tuple[str, ...] = (), *, quiet: bool = False
) -> tuple[Step, ...]:
    """The steps of the quickstart; all but the last pass over what an earlier run of them has done."""
    recipe = quickstart_recipe(places, overrides)
    return (
        Step("Make up studies", lambda advance: _synthesize(places, sizes, advance)),
        Step("Prepare Open-I", lambda advance: _prepare(places, "openi", sizes, advance)),
        Step("Prepare ChestX-ray14", lambda advance: _prepare(places, "chestxray14", sizes, advance)),
        Step("Pre-train on reports and prompts", lambda _: _train(recipe, places, quiet), draws_itself=True),
        Step("Evaluate on unseen patients", lambda advance: _evaluate(places, advance)),
    )


def quickstart_recipe(places: Places, overrides: tuple[str, ...] = ()) -> Recipe:
    """The recipe of the quickstart with this run's manifests."""
    manifests = [
        f"data.sources.{number}.manifest={places.manifest(source)}"
        for number, source in enumerate(("openi", "chestxray14"))
    ]
    with resources.as_file(resources.files("cxr_clip") / "resources" / "quickstart.yaml") as path:
        return load_recipe(path, (*manifests, *overrides))


def _synthesize(places: Places, sizes: Sizes, advance: Advance) -> str:
    total = sizes.openi + sizes.chestxray14
    synthesize_openi(
        places.raw("openi"),
        studies=sizes.openi,
        seed=SEED,
        processes=sizes.processes,
        image_size=IMAGE_SIDE,
        progress=lambda done: advance(done, total),
    )
    synthesize_chestxray14(
        places.raw("chestxray14"),
        studies=sizes.chestxray14,
        seed=SEED + 1,
        processes=sizes.processes,
        image_size=IMAGE_SIDE,
        progress=lambda done: advance(sizes.openi + done, total),
    )
    return f"{sizes.openi} studies with reports, {sizes.chestxray14} images with labels, in {places.data}"


def _prepare(places: Places, source: str, sizes: Sizes, advance: Advance) -> str:
    prepare = {"openi": prepare_openi, "chestxray14": prepare_chestxray14}[source]
    options = PrepareOptions(short_side=IMAGE_SIDE, processes=sizes.processes)
    summary: PrepareSummary = prepare(places.raw(source), places.manifest(source), options, progress=advance)
    splits = ", ".join(f"{count} {split}" for split, count in summary.splits.items())
    return f"{summary.studies} studies ({splits}), {sum(summary.rejected.values())} things left out"


def _train(recipe: Recipe, places: Places, quiet: bool) -> str:
    summary = train_run(recipe, places.run, progress=not quiet).summary
    reference_of_run(places.run)
    return summary


def _evaluate(places: Places, advance: Advance) -> str:
    evaluation = evaluate_run(places.run, EvaluationRequest(places.manifest("openi")), advance=advance)
    return "\n".join(headline(result) for result in evaluation.results)


def headline(result: BenchmarkResult) -> str:
    """The figures of a benchmark that people ask for first, in one line."""
    words = []
    for name in ("auroc/macro", "image_to_text/recall_at_10", "text_to_image/recall_at_10"):
        figure, chance = result.metrics.get(name), result.metrics.get(f"{name}_chance")
        if figure is not None:
            beside = f", chance {chance.value:.3f}" if chance is not None else ""
            words.append(f"{name} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f}{beside})")
    return f"{result.name}: " + ("; ".join(words) or "not measured, too few studies")


def activation(python: Path, search_path: str) -> str | None:
    """The command that puts `cxr-clip` on the search path; absent where it is there, or where there is none."""
    script = python.parent / "activate"
    if str(python.parent) in search_path.split(os.pathsep) or not script.is_file():
        return None
    here = Path.cwd()
    return f". {shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))}"


def _classify(places: Places) -> Iterator[tuple[str, str]]:
    """The command that asks the model about the first image, where there is one."""
    for image in sorted((places.raw("openi") / "images").glob("*"))[:1]:
        words = ("cxr-clip", "classify", str(places.run), str(image), "--finding", "Cardiomegaly")
        yield shlex.join(words), "what the model says of an image"


def farewell(places: Places, *, activate: str | None = None) -> str:
    """Where things are, and what to try next, in commands that work as they stand."""
    run, data = places.run, places.data
    evaluate = [str(run), str(places.manifest("openi")), "--split", "validate", "--out", str(run / "validate")]
    first = [(activate, "makes the command cxr-clip known to this shell")] if activate else []
    commands = (
        (shlex.join(("cxr-clip", "recipe", str(run))), "every setting of this run"),
        (shlex.join(("cxr-clip", "evaluate", *evaluate)), "the figures on the validation patients"),
        *_classify(places),
        ("cxr-clip prepare --help", "real studies, as downloaded; then docs/train.md"),
    )
    listed = "\n".join(f"  {command}\n      {words}" for command, words in (*first, *commands))
    return f"""
report      {run / "report.html"}   (open it in a browser; figures for programs in report.json)
model       {run}   (in Python: cxr_clip.load({str(run)!r}))
data        {data}   (made-up studies, and their manifests)

next:
{listed}
"""
