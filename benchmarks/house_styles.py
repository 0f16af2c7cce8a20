"""Trainings on reports of one house style, measured on all: the same pictures and labels, other words.

    python benchmarks/house_styles.py --work FOLDER [--epochs 8] [--processes 2]

The reports of a made-up Open-I are written in each style; the recipe of experiments is trained on each alone, from
random weights. Writes results/house_styles.json: retrieval from image to text on the test studies, style by style, and
zero-shot AUROC, which does not depend on the style that is tested. A stopped program continues.
"""

import argparse
import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from measured_with import machine
from reports_alone import recipe_of, trained

from cxr_clip.checkpoint import Run
from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.data.prompts import load_zero_shot_prompts
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder
from cxr_clip.evaluate.benchmarks import MEASURES, EvaluationOptions, general_benchmarks
from cxr_clip.evaluate.subject import Material, Subject
from cxr_clip.experiments.made_up import SEED, make_world
from cxr_clip.study import Split, Study
from cxr_clip.synthetic import HouseStyle
from cxr_clip.synthetic.write_openi import openi_report

RESULTS = Path(__file__).parent / "results" / "house_styles.json"
RECALL, AUROC = "image_to_text/recall_at_10", "auroc/macro"
Row = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Asked:
    """Where the runs lie, the manifests of the styles, and for how many epochs each is trained."""

    work: Path
    manifests: Mapping[HouseStyle, Path]
    epochs: int


def in_style(study: Study, style: HouseStyle | None) -> Study:
    """A study of the made-up world with its report in a style; None: the one that the world drew for it."""
    report = openi_report(SEED, int(study.id.removeprefix("CXR")) - 1, style)
    told = {"findings": report.findings, "impression": report.impression}
    return replace(study, sections={name: text for name, text in told.items() if text})


def write_style(base: Path, folder: Path, style: HouseStyle) -> Path:
    """A manifest with the images, splits and labels of another, and the reports of one style; what is there stays."""
    if (folder / "manifest.parquet").is_file():
        return folder
    manifest = read_manifest(base)
    written = in_style(manifest[0], None).sections
    assert written.items() <= manifest[0].sections.items(), "the studies are of another world than this program makes"
    shutil.copytree(manifest.root / "shards", folder / "shards", copy_function=os.link, dirs_exist_ok=True)
    with ManifestWriter(folder / "manifest.parquet") as writer:
        for study in manifest:
            writer.write(in_style(study, style))
    return folder


def measured(run: Run, manifests: Mapping[HouseStyle, Path]) -> Row:
    """Retrieval on each style, and AUROC; every image is embedded once."""
    options, embedder, known = EvaluationOptions(gallery=0), Embedder(run), None
    prompts = general_benchmarks({"standard": load_zero_shot_prompts()}, options, split=Split.TEST)
    row: Row = {}
    for style, path in manifests.items():
        manifest = read_manifest(path)
        subject = Subject(
            embedder, Material(manifest.where(split=Split.TEST), ImageStore(manifest.root).read), options, known=known
        )
        known = subject.images
        for benchmark in prompts:
            found = MEASURES[type(benchmark.task)](benchmark, subject).metrics
            row |= {style.value: vars(found[RECALL])} if RECALL in found else {}
            row |= {AUROC: vars(found[AUROC])} if AUROC in found else {}
    return row


def of_style(style: HouseStyle, *, asked: Asked) -> Row:
    """The figures after a training on one style."""
    recipe = recipe_of(asked.manifests[style], seed=0, epochs=asked.epochs)
    return measured(trained(recipe, asked.work / f"on-{style.value}"), asked.manifests)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    base = make_world(given.work / "world", processes=given.processes).reports
    manifests = {style: write_style(base, given.work / "styles" / style.value, style) for style in HouseStyle}
    asked = Asked(given.work, manifests, given.epochs)
    with ProcessPoolExecutor(given.processes, get_context("spawn")) as pool:
        rows = list(pool.map(partial(of_style, asked=asked), HouseStyle))
    studies = read_manifest(base)
    told = {
        "machine": machine(),
        "epochs": given.epochs,
        "training": len(studies.where(split=Split.TRAIN)),
        "evaluated": len(studies.where(split=Split.TEST)),
        "trained_on": {style.value: row for style, row in zip(HouseStyle, rows, strict=True)},
    }
    given.results.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
