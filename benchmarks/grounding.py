"""How well the maps of a run lie where findings were drawn, in a made-up world; beside random weights and controls.

    python benchmarks/grounding.py RUN [--studies 1200] [--results FILE]

Makes up VinDr-CXR, RSNA pneumonia, SIIM pneumothorax and ChestX-ray14 with a seed that the quickstart does not use, and
measures the benchmarks `grounding/...` of RUN, and of RUN with an image encoder and projection of random weights.
"""

import argparse
import json
import tempfile
from pathlib import Path
from pkgutil import resolve_name

import torch
from torch import nn

from cxr_clip.checkpoint import load_run
from cxr_clip.commands.sources import SOURCES
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder
from cxr_clip.evaluate.benchmark_table import by_name
from cxr_clip.evaluate.benchmarks import EvaluationOptions, measure
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.subject import Material
from cxr_clip.model.image_encoder import image_encoder_from_config_folder
from cxr_clip.prepare.records import PrepareOptions

RESULTS = Path(__file__).parent / "results" / "grounding.json"
DATA_SETS = ("vindr_cxr", "rsna_pneumonia", "siim_pneumothorax", "chestxray14")
SEED, SIDE = 91, 192


def made_up(source: str, place: Path, studies: int) -> Path:
    """A made-up data set, prepared."""
    raw, manifest = place / "raw" / source, place / source
    resolve_name(SOURCES[source].synthesize)(raw, studies=studies, seed=SEED, processes=2, image_size=SIDE)
    resolve_name(SOURCES[source].prepare)(raw, manifest, PrepareOptions(short_side=SIDE, processes=2))
    return manifest


def with_random_weights(folder: Path) -> Embedder:
    """The run with an image encoder and projection that have learned nothing."""
    torch.manual_seed(0)
    run = load_run(folder)
    run.model.image = image_encoder_from_config_folder(folder / "image_encoder", pooling=run.recipe.model.image.pooling)
    run.model.image_projection = nn.Linear(run.model.image.feature_size, run.recipe.model.embedding_size)
    return Embedder(run)


def figures(result: BenchmarkResult) -> dict[str, dict[str, float]]:
    """The macro averages, and the pointing game of each finding."""
    kept = {
        name: one for name, one in result.metrics.items() if name.endswith("/macro") or name.startswith("pointing/")
    }
    return {name: vars(one) for name, one in kept.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--studies", type=int, default=1200, help="of each data set")
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    models = {"trained": Embedder(load_run(asked.run)), "random weights": with_random_weights(asked.run)}
    recipe, found = models["trained"].recipe, dict[str, object]()
    with tempfile.TemporaryDirectory() as place:
        for source in DATA_SETS:
            manifest = read_manifest(made_up(source, Path(place), asked.studies))
            material = Material(manifest.where(), ImageStore(manifest.root).read)
            benchmark, options = by_name()[f"grounding/{source}"], EvaluationOptions(gallery=0)
            results = {name: measure(model, [(benchmark, material)], options)[0] for name, model in models.items()}
            found[source] = {
                "hash": benchmark.identity,
                "images": results["trained"].population.images,
                **{name: figures(result) for name, result in results.items()},
            }
            print(source, {name: result.metrics.get("pointing/macro") for name, result in results.items()}, flush=True)
    about = {"recipe": recipe.name, "image_size": recipe.data.image_size, "epochs": recipe.train.epochs}
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    told = {"model": about, "studies": asked.studies, "seed": SEED, "data_sets": found}
    asked.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
