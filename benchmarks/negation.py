"""What hard negatives do: a run learns on with and without them, and answers the probes of opposite meanings.

    python benchmarks/negation.py RUN MANIFEST [--seeds 3] [--epochs 4] [--processes 1] [--set section.key=value ...]

Each seed takes up RUN twice, with a locked image tower, one image and one text of a study, the same draws of both, on
the training studies of MANIFEST; its test studies are measured. Writes results/negation.json: the figures of RUN and of
each training, and over seeds the mean of what hard negatives change, with its 95 % interval by Student's t.
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
from learning_on import learn_on
from table_of import over_seeds

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.prompts import load_zero_shot_prompts
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder
from cxr_clip.evaluate.benchmark_table import by_name
from cxr_clip.evaluate.benchmarks import EvaluationOptions, general_benchmarks, measure
from cxr_clip.evaluate.subject import Material
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
    """A run and a manifest, for how many epochs the run learns on, and other settings of its recipe."""

    run: Path
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


def learned_on(asked: Asked, seed: int, hard_negatives: int) -> Figures:
    """The figures after further epochs."""
    settings = {"data.hard_negatives": hard_negatives, "train.seed": seed, "train.epochs": asked.epochs}
    return measured(learn_on(asked.run, asked.manifest, settings, overrides=asked.settings), asked.manifest)


def of_seed(seed: int, *, asked: Asked) -> dict[str, Figures]:
    """The figures of both ways to learn on."""
    return {way: learned_on(asked, seed, count) for way, count in WAYS.items()}


def change(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    """What changes from the first of each pair to the second, over two pairs or more."""
    without, with_them = np.asarray(pairs).T
    return {"without": float(without.mean()), "with": float(with_them.mean()), **over_seeds(with_them - without)}


def changes(pairs: Sequence[Mapping[str, Figures]]) -> dict[str, dict[str, float]]:
    """Every figure over seeds: both means, and the mean of the differences with its interval."""
    return {name: change([(pair["without"][name], pair["with"][name]) for pair in pairs]) for name in pairs[0]["with"]}


def about(folder: Path) -> dict[str, object]:
    """What a run is, and after how many epochs it was validated last: it may have been stopped before its end."""
    recipe = load_run(folder).recipe
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    epochs = max(entry["epoch"] for entry in entries if entry["kind"] == "validate")
    return {"recipe": recipe.name, "image_size": recipe.data.image_size, "epochs": round(epochs)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--seeds", type=int, default=3, help="two or more")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="section.key=value")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error(f"--seeds {given.seeds}: one seed does not tell how seeds vary; give 2 or more")
    asked = Asked(given.run, given.manifest, given.epochs, tuple(given.settings))
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        pairs = list(pool.map(partial(of_seed, asked=asked), range(given.seeds)))
    manifest = read_manifest(given.manifest)
    told = {
        "model": about(given.run),
        "epochs": given.epochs,
        "training": len(manifest.where(split=Split.TRAIN)),
        "evaluated": len(manifest.where(split=Split.TEST)),
        "start": measured(load_run(given.run), given.manifest),
        "seeds": pairs,
        "changes": changes(pairs),
    }
    given.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
