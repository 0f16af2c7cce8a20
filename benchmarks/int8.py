"""What 8 bits cost on real studies: a small model, trained on Open-I, exported with and without, on the test split.

    python benchmarks/int8.py --openi RAW --image-encoder FOLDER --text-encoder FOLDER --work FOLDER

Trains recipes/openi.yaml for a few epochs with one image and one text a study, half of them prompts from its labels (a
stopped run is continued), exports it to ONNX in single precision and in 8-bit integers calibrated on the training
studies, and measures zero-shot AUROC and retrieval on the test studies by each. Differences are those of the same
studies, with intervals over the same resamples of patients. Writes results/int8.json; without the data it says so.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from openi import FINDINGS, RECIPE

from cxr_clip.checkpoint import load_run
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.prompts import load_zero_shot_prompts
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import load
from cxr_clip.evaluate.benchmarks import EvaluationOptions, evaluate_manifest
from cxr_clip.evaluate.compare import compare_scores
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.study_images import Embedder
from cxr_clip.export.proof import Exported
from cxr_clip.export.write_onnx import export_onnx, opened
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.recipe import load_recipe
from cxr_clip.study import Split
from cxr_clip.train.train_run import train_run

RESULTS = Path(__file__).parent / "results" / "int8.json"
STYLES = ("standard", "paraphrase")
Results = dict[str, object]


def train(arguments: argparse.Namespace, manifest: Path) -> Path:
    source = load_recipe(RECIPE).data.sources[0].model_dump(mode="json")
    sources = [source | {"manifest": str(manifest), "label_prompts": 0.5}]
    recipe = load_recipe(
        RECIPE,
        (
            f"data.sources={json.dumps(sources)}",
            f"model.image.pretrained={arguments.image_encoder}",
            f"model.text.pretrained={arguments.text_encoder}",
            "train.seed=0",
            f"train.epochs={arguments.epochs}",
            "data.images_per_study=1",
            "data.texts_per_study=1",
            "loss.image_image=0",
            "loss.text_text=0",
        ),
    )
    run: Path = arguments.work / "run"
    train_run(recipe, run)
    return run


def export(run: Path, manifest: Path, work: Path) -> tuple[dict[str, Embedder], Results]:
    """The run, its ONNX files, and those in 8 bits with 8-bit and with whole texts."""
    for name, calibrate_on in (("onnx", None), ("int8", manifest)):
        if not (work / name).is_dir():
            export_onnx(run, work / name, calibrate_on=calibrate_on)
    loaded = load_run(run)
    whole, narrow = opened(loaded, work / "onnx"), opened(loaded, work / "int8")
    return {
        "torch": load(run, device="cpu"),
        "ONNX": whole,
        "ONNX, int8": narrow,
        "ONNX, int8 pictures, whole texts": Exported(narrow.embed_images, whole.embed_texts),
    }, json.loads((work / "int8" / "certificate.json").read_text())


def measure(model: Embedder, manifest: Path, options: EvaluationOptions) -> list[BenchmarkResult]:
    studies = read_manifest(manifest)
    prompts = {style: load_zero_shot_prompts(style, None) for style in STYLES}
    return evaluate_manifest(
        model,
        studies.where(split=Split.TEST),
        read_image=ImageStore(studies.root).read,
        prompts=prompts,
        options=options,
    )


def compared(first: list[BenchmarkResult], second: list[BenchmarkResult]) -> list[Results]:
    """Every difference of the second from the first."""
    scores, ranks = (
        tuple([one for result in results for one in getattr(result, kind)] for results in (first, second))
        for kind in ("scores", "ranks")
    )
    return [asdict(one) for one in compare_scores(*scores, ranks=ranks).differences]


def report(models: Mapping[str, Embedder], manifest: Path, options: EvaluationOptions) -> Results:
    found = {name: measure(model, manifest, options) for name, model in models.items()}
    (first, *_) = found
    return {
        "studies": found[first][0].population.studies,
        "differences_from": first,
        "forms": {name: compared(found[first], results) for name, results in found.items() if name != first},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("openi", "image-encoder", "text-encoder", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    for folder in (arguments.openi, arguments.image_encoder, arguments.text_encoder):
        if not folder.is_dir():
            sys.exit(f"skipped, as {folder} is absent: give the folder of Open-I and of both encoders")
    manifest = arguments.work / "manifest-openi"
    prepare_openi(arguments.openi, manifest, PrepareOptions())
    run = train(arguments, manifest)
    models, certificate = export(run, manifest, arguments.work)
    told: Results = {
        "recipe": {"name": "openi", "epochs": arguments.epochs, "image_size": load_recipe(RECIPE).data.image_size},
        "certificate": certificate,
        "bytes": {
            name: {file.stem: file.stat().st_size for file in sorted((arguments.work / name).glob("*.onnx"))}
            for name in ("onnx", "int8")
        },
        **report(models, manifest, EvaluationOptions(findings=FINDINGS)),
    }
    arguments.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
