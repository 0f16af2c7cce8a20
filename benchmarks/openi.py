"""Real studies: pre-train on Open-I, with and without the method's parts, and measure on its untouched test split.

    python benchmarks/openi.py --openi RAW --chestxray14 RAW --image-encoder FOLDER --text-encoder FOLDER --work FOLDER

Trains each variant with each seed (a stopped run is continued), evaluates it, and writes results/openi.json.
"""

import argparse
import json
import statistics
from dataclasses import asdict
from pathlib import Path

from measured_with import machine

from cxr_clip.evaluate.benchmarks import EvaluationOptions
from cxr_clip.evaluate.evaluate_run import EvaluationRequest, evaluate_run
from cxr_clip.prepare.chestxray14 import prepare_chestxray14
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.recipe import load_recipe
from cxr_clip.study import Split
from cxr_clip.train.train_run import train_run

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "openi.yaml"
RESULTS = HERE / "results" / "openi.json"
FINDINGS = ("Cardiomegaly", "Pleural Effusion", "Atelectasis", "Emphysema", "Nodule", "No Finding")
VARIANTS = {
    "method": (),
    "plain CLIP": (
        "data.images_per_study=1",
        "data.texts_per_study=1",
        "loss.image_image=0",
        "loss.text_text=0",
    ),
    "method + ChestX-ray14 prompts": (),
    "method + prompts from its own labels": ("data.sources.0.label_prompts=0.5",),
}


def main() -> None:
    arguments = parse()
    manifests = prepare(arguments)
    runs = []
    for seed in arguments.seeds:
        for variant in arguments.variants:
            runs.append(measure(variant, seed, manifests, arguments))
            write(runs, arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("openi", "chestxray14", "image-encoder", "text-encoder", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--split", type=Split, default=Split.TEST)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("overrides", nargs="*", help="settings as section.key=value")
    return parser.parse_intermixed_args()


def prepare(arguments: argparse.Namespace) -> dict[str, Path]:
    folders = {name: arguments.work / f"manifest-{name}" for name in ("openi", "chestxray14")}
    prepare_openi(arguments.openi, folders["openi"], PrepareOptions())
    prepare_chestxray14(arguments.chestxray14, folders["chestxray14"], PrepareOptions())
    return folders


def measure(variant: str, seed: int, manifests: dict[str, Path], arguments: argparse.Namespace) -> dict[str, object]:
    """Train and evaluate one variant with one seed."""
    sources = [load_recipe(RECIPE).data.sources[0].model_dump(mode="json") | {"manifest": str(manifests["openi"])}]
    if "ChestX-ray14" in variant:
        sources.append({"manifest": str(manifests["chestxray14"])})
    recipe = load_recipe(
        RECIPE,
        (
            f"data.sources={json.dumps(sources)}",
            f"model.image.pretrained={arguments.image_encoder}",
            f"model.text.pretrained={arguments.text_encoder}",
            f"train.seed={seed}",
            *VARIANTS[variant],
            *arguments.overrides,
        ),
    )
    run = arguments.work / f"{variant.replace(' ', '-').replace('+', 'and')}-seed{seed}"
    trained = train_run(recipe, run)
    request = EvaluationRequest(manifests["openi"], split=arguments.split, options=EvaluationOptions(findings=FINDINGS))
    evaluation = evaluate_run(run, request)
    return {
        "variant": variant,
        "seed": seed,
        "minutes": round(trained.result.state.seconds / 60, 1),
        "benchmarks": {
            result.name: {name: asdict(figure) for name, figure in result.metrics.items()}
            for result in evaluation.results
        },
    }


def write(runs: list[dict[str, object]], arguments: argparse.Namespace) -> None:
    """Write what there is so far: each run, and the mean over seeds of each variant."""
    content = {
        "machine": machine(),
        "split": arguments.split.value,
        "overrides": arguments.overrides,
        "runs": runs,
        "mean_over_seeds": {variant: means([run for run in runs if run["variant"] == variant]) for variant in VARIANTS},
    }
    arguments.results.parent.mkdir(exist_ok=True)
    arguments.results.write_text(json.dumps(content, indent=1) + "\n")


def means(runs: list[dict[str, object]]) -> dict[str, dict[str, float]]:
    """The mean over seeds of every figure."""
    if not runs:
        return {}
    return {
        benchmark: {
            name: round(statistics.mean(run["benchmarks"][benchmark][name]["value"] for run in runs), 4)  # type: ignore[index]
            for name in figures
        }
        for benchmark, figures in runs[0]["benchmarks"].items()  # type: ignore[attr-defined]
    }


if __name__ == "__main__":
    main()
