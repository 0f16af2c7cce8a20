"""What hard negatives do: a trained model goes on with and without them, and the probes of opposite meanings.

    python benchmarks/negation.py --work FOLDER --run runs/quickstart --data data-quickstart [--seeds 4] [--processes 2]

From the weights of a finished quickstart (`make quickstart`) each seed trains two more runs on the same made-up
studies, without and with hard negatives; both see the same studies, pictures and texts in the same order. The test
studies are measured. A stopped program continues. Writes results/negation.json: the figures of the run that all start
from and of each training, and over seeds the mean of what hard negatives change, with its 95 % interval by Student's t.
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
import torch
from measured_with import machine, model_facts
from reports_alone import trained
from table_of import over_seeds

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.prompts import load_zero_shot_prompts
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder
from cxr_clip.evaluate.benchmark_table import by_name
from cxr_clip.evaluate.benchmarks import EvaluationOptions, general_benchmarks, measure
from cxr_clip.evaluate.subject import Material
from cxr_clip.quickstart import Places, quickstart_recipe
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


# The towers are those of the run that it starts from, and so are their inputs.
ONWARD = (
    *(f"model.image.{name}=null" for name in ("architecture", "mean", "std")),
    *(f"model.text.{name}=null" for name in ("architecture", "tokeniser")),
    "log.monitor=false",
    "log.zero_shot=false",
)


@dataclass(frozen=True)
class Asked:
    """Where the runs lie, the quickstart's places, for how many epochs each goes on, and other settings with them."""

    work: Path
    quickstart: Places
    epochs: int
    learning_rate: float
    settings: tuple[str, ...] = ()

    @property
    def manifest(self) -> Path:
        """The studies with reports."""
        return self.quickstart.manifest("openi")


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
    settings = (
        *ONWARD,
        f"model.start_from={asked.quickstart.run}",
        f"train.seed={seed}",
        f"train.epochs={asked.epochs}",
        f"train.validate_epochs={asked.epochs}",
        f"train.learning_rate={asked.learning_rate}",
        f"data.hard_negatives={WAYS[way]}",
        *(asked.settings if WAYS[way] else ()),
    )
    torch.set_num_threads(1)
    folder = asked.work / f"{way}-{seed}"
    return measured(trained(quickstart_recipe(asked.quickstart, settings), folder), asked.manifest)


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
    parser.add_argument("--run", type=Path, default=Path("runs/quickstart"), help="a finished quickstart")
    parser.add_argument("--data", type=Path, default=Path("data-quickstart"), help="its studies")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", dest="settings", nargs="*", default=[], metavar="section.key=value", help="with them")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.seeds < 2:
        parser.error(f"--seeds {given.seeds}: one seed does not tell how seeds vary; give 2 or more")
    places = Places(given.data.resolve(), given.run.resolve())
    asked = Asked(given.work, places, given.epochs, given.learning_rate, tuple(given.settings))
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        pairs = list(pool.map(partial(of_seed, asked=asked), range(given.seeds)))
    studies, before = read_manifest(asked.manifest), load_run(places.run)
    told = {
        "machine": machine(),
        "model": model_facts(Embedder(before)),
        "epochs": given.epochs,
        "learning_rate": given.learning_rate,
        "settings": given.settings,
        "evaluated": len(studies.where(split=Split.TEST)),
        "before": measured(before, asked.manifest),
        "seeds": pairs,
        "changes": changes(pairs),
    }
    given.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
