"""What hard negatives do: trainings with and without them, and the probes of opposite meanings.

    python benchmarks/negation.py --work FOLDER [--seeds 3] [--epochs 8] [--processes 2] [--set section.key=value ...]

Each seed trains the recipe of experiments on made-up reports alone, from random weights, without and with hard
negatives; the test studies are measured. A stopped program continues. Writes results/negation.json: the figures of each
training, and over seeds the mean of what hard negatives change, with its 95 % interval by Student's t.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from measured_with import machine
from reports_alone import recipe_of, trained
from table_of import over_seeds

from cxr_clip.checkpoint import Run
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.prompts import load_zero_shot_prompts
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder
from cxr_clip.evaluate.benchmark_table import by_name
from cxr_clip.evaluate.benchmarks import EvaluationOptions, general_benchmarks, measure
from cxr_clip.evaluate.subject import Material
from cxr_clip.experiments.made_up import make_world
from cxr_clip.study import Split

RESULTS = Path(__file__).parent / "results" / "negation.json"
WAYS = {"without": 0, "with": 1}
FIGURES = {
    "meaning": (
        *("negation/macro", "negation_of_positives/macro", "negation_of_negatives/macro", "uncertainty/macro"),
        *("side/macro", "severity/macro", "text_negation/macro", "text_paraphrase/macro"),
    ),
    "zero_shot/standard": ("auroc/macro",),
    "retrieval": ("image_to_text/recall_at_10", "text_to_image/recall_at_10"),
}
Figures = dict[str, float]


@dataclass(frozen=True)
class Asked:
    """Where the runs lie, the manifest, for how many epochs each is trained, and other settings of their recipe."""

    work: Path
    manifest: Path
    epochs: int
    settings: tuple[str, ...] = ()


def measured(run: Run, manifest: Path) -> Figures:
    """The chosen figures of a model on the test studies, by benchmark and name."""
    test, options = read_manifest(manifest), EvaluationOptions(gallery=0, resamples=100)
    material = Material(test.where(split=Split.TEST), ImageStore(test.root).read)
    standard = general_benchmarks({"standard": load_zero_shot_prompts()}, options, split=Split.TEST)
    found = measure(Embedder(run), [(one, material) for one in (*standard, by_name()["meaning"])], options)
    return {
        f"{result.name} {name}": result.metrics[name].value
        for result in found
        for name in FIGURES[result.name]
        if name in result.metrics
    }


def of_training(way: str, seed: int, asked: Asked) -> Figures:
    """The figures after one training."""
    settings = (f"data.hard_negatives={WAYS[way]}", *(asked.settings if WAYS[way] else ()))
    recipe = recipe_of(asked.manifest, seed=seed, epochs=asked.epochs, overrides=settings)
    return measured(trained(recipe, asked.work / f"{way}-{seed}"), asked.manifest)


def of_seed(seed: int, *, asked: Asked) -> dict[str, Figures]:
    """The figures of both trainings."""
    return {way: of_training(way, seed, asked) for way in WAYS}


def change(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """What changes from the first of each pair to the second, over two pairs or more."""
    without, with_them = np.asarray(pairs).T
    return {"without": float(without.mean()), "with": float(with_them.mean()), **over_seeds(with_them - without)}


def changes(pairs: Sequence[Mapping[str, Figures]]) -> dict[str, dict[str, float]]:
    """Every figure over seeds: both means, and the mean of the differences with its interval."""
    return {name: change([(pair["without"][name], pair["with"][name]) for pair in pairs]) for name in pairs[0]["with"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="section.key=value", help="with them")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error(f"--seeds {given.seeds}: one seed does not tell how seeds vary; give 2 or more")
    manifest = make_world(given.work / "world", processes=given.processes).reports
    asked = Asked(given.work, manifest, given.epochs, tuple(given.settings))
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        pairs = list(pool.map(partial(of_seed, asked=asked), range(given.seeds)))
    studies = read_manifest(manifest)
    told = {
        "machine": machine(),
        "epochs": given.epochs,
        "settings": given.settings,
        "training": len(studies.where(split=Split.TRAIN)),
        "evaluated": len(studies.where(split=Split.TEST)),
        "seeds": pairs,
        "changes": changes(pairs),
    }
    given.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
