"""How groups of patients, views of a study and grades of severity come out, and how often gaps are false alarms.

    python benchmarks/groups.py --made-up RUN --made-openi MANIFEST --made-chestxray14 MANIFEST --made-table MANIFEST
        [--openi-run RUN --openi MANIFEST --chestxray14 MANIFEST] [--data-sets N] [--results FILE]

RUN is a run of the quickstart recipe on made-up studies, and one of recipes/openi.yaml on real ones; without the latter
its figures are left out. The real ChestX-ray14 images have no test split here, and the run on Open-I knows none of
them: all are measured. Writes results/groups.json.
"""

import argparse
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from measured_with import model_facts

import cxr_clip
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder
from cxr_clip.evaluate.benchmark_table import by_name
from cxr_clip.evaluate.benchmarks import EvaluationOptions, measure
from cxr_clip.evaluate.contract import Benchmark
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.statistics import patient_bootstrap_weights
from cxr_clip.evaluate.subgroup_figures import Gap, gaps_of
from cxr_clip.evaluate.subject import Material
from cxr_clip.metrics import weighted_auroc

RESULTS = Path(__file__).parent / "results" / "groups.json"
GROUPS, STUDIES, FINDINGS, PREVALENCE, SEPARATION, RESAMPLES, SEED = 5, 100, 3, 0.15, 1.0, 300, 11
LEVEL = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("made-up", "made-openi", "made-chestxray14", "made-table"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("openi-run", "openi", "chestxray14"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--data-sets", type=int, default=400)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    content = {
        "machine": platform.machine(),
        "alarms": alarms(arguments.data_sets),
        "made_up": made_up(arguments),
        **({"real": real(arguments)} if arguments.openi_run else {}),
    }
    arguments.results.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def made_up(arguments: argparse.Namespace) -> Mapping[str, object]:
    """The run on made-up studies: groups, views and severity on the test studies."""
    model, table = cxr_clip.load(arguments.made_up, device="cpu"), by_name()
    return {
        "model": model_facts(model),
        "openi": figures(model, [table["subgroups/openi"], table["views/openi"]], arguments.made_openi),
        "chestxray14": figures(model, [table["subgroups/chestxray14"]], arguments.made_chestxray14),
        "table": figures(model, [table["severity"]], arguments.made_table),
    }


def real(arguments: argparse.Namespace) -> Mapping[str, object]:
    """The run on Open-I: its test studies, and all images of ChestX-ray14."""
    model, table = cxr_clip.load(arguments.openi_run, device="cpu"), by_name()
    whole = replace(table["subgroups/chestxray14"], name="subgroups/chestxray14/all", split=None)
    return {
        "model": model_facts(model),
        "openi": figures(model, [table["subgroups/openi"], table["views/openi"]], arguments.openi),
        "chestxray14": figures(model, [whole], arguments.chestxray14),
    }


def figures(model: Embedder, benchmarks: list[Benchmark], place: Path) -> Mapping[str, object]:
    """Every figure of some benchmarks of one manifest, by name."""
    manifest = read_manifest(place)
    material = Material(manifest.where(split=benchmarks[0].split), ImageStore(manifest.root).read)
    found = measure(model, [(one, material) for one in benchmarks], EvaluationOptions())
    return {result.name.split("/")[0]: record(result) for result in found}


def record(result: BenchmarkResult) -> Mapping[str, object]:
    return {
        "hash": result.benchmark.identity if result.benchmark else None,
        "studies": result.population.studies,
        "patients": result.population.patients,
        "figures": {name: asdict(one) for name, one in result.metrics.items()},
        "notes": list(result.notes),
        **({"subgroups": asdict(result.subgroups)} if result.subgroups else {}),
        **({"differences": [asdict(one) for one in result.differences]} if result.differences else {}),
        **({"grades": [asdict(one) for one in result.grades]} if result.grades else {}),
    }


def alarms(data_sets: int) -> Mapping[str, object]:
    """How often groups that are all alike are told apart, by each way of looking at best and worst."""
    found = [alike(np.random.default_rng([SEED, number])) for number in range(data_sets)]
    gaps = np.asarray([one.difference.value for one in found])
    return {
        "data_sets": data_sets,
        "groups": GROUPS,
        "studies": STUDIES,
        "findings": FINDINGS,
        "prevalence": PREVALENCE,
        "resamples": RESAMPLES,
        "interval_without_zero": float(np.mean([one.difference.low > 0 for one in found])),
        "p_below_level": float(np.mean([one.p < LEVEL for one in found])),
        "adjusted_below_level": float(np.mean([one.adjusted < LEVEL for one in found])),
        "mean_gap": float(gaps.mean()),
        "mean_by_chance": float(np.mean([one.by_chance for one in found])),
    }


def alike(rng: np.random.Generator) -> Gap:
    """The gap of groups whose scores come from one distribution."""
    drawn = {}
    for group in range(GROUPS):
        weights = patient_bootstrap_weights([str(number) for number in range(STUDIES)], RESAMPLES, rng)
        weights = np.vstack([np.ones((1, STUDIES), dtype=weights.dtype), weights])
        areas = []
        for _ in range(FINDINGS):
            positive = rng.permutation(np.arange(STUDIES) < PREVALENCE * STUDIES)
            areas.append(weighted_auroc(rng.normal(SEPARATION * positive, 1), positive, weights))
        drawn[str(group)] = np.mean(np.stack(areas), axis=0)
    (gap,) = gaps_of("auroc", {"made up": drawn}, {("made up", name): STUDIES for name in drawn})
    return gap


if __name__ == "__main__":
    main()
