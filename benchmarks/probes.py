"""How far a run depends on the words of prompts, what it understands of them, and how sides and grades are read.

    python benchmarks/probes.py RUN MANIFEST... [--studies N] [--results FILE]

Measures the benchmarks `wording` and `meaning` that are made for the manifests, and reads sides and grades of N made-up
studies of each kind (with reports, with boxes), whose truth is known. Writes results/probes.json.
"""

import argparse
import json
import platform
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import cxr_clip
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.meaning_prompts import load_meaning_prompts
from cxr_clip.data.sides_and_grades import LITTLE, MODERATE, MUCH
from cxr_clip.evaluate.benchmark_table import applicable
from cxr_clip.evaluate.evaluate_run import BenchmarkRequest, evaluate_benchmarks
from cxr_clip.evaluate.told_places import grade_of, side_of
from cxr_clip.prepare.chestxray14 import prepare_chestxray14
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.study import Certainty, Study
from cxr_clip.synthetic import synthesize_chestxray14, synthesize_openi

RESULTS = Path(__file__).parent / "results" / "probes.json"
KINDS = ("wording", "meaning")
WORLDS = {
    "reports": (synthesize_openi, prepare_openi),
    "boxes": (synthesize_chestxray14, prepare_chestxray14),
}
GRADES = {"small": LITTLE, "mild": LITTLE, "moderate": MODERATE, "large": MUCH, "severe": MUCH}
SIDE, SEED = 48, 5
Results = dict[str, object]


def measure(run: Path, manifests: Sequence[Path]) -> Mapping[str, Results]:
    """Every figure of the benchmarks that apply, with the hash of each."""
    sources = {source for path in manifests for source in read_manifest(path).sources}
    names = tuple(one.name for one in applicable(sources) if one.name.split("/")[0] in KINDS)
    with tempfile.TemporaryDirectory() as out:
        found = evaluate_benchmarks(run, BenchmarkRequest(tuple(manifests), names), out=Path(out), device="cpu")
    return {
        result.name: {
            "hash": result.benchmark.identity if result.benchmark else None,
            "studies": result.population.studies,
            "patients": result.population.patients,
            "figures": {name: asdict(one) for name, one in result.metrics.items()},
        }
        for result in found.results
    }


def readings(study: Study, truth: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """What is asked (side, grade) of each true finding of a study, and whether the reading is right."""
    prompts = load_meaning_prompts()
    for finding in dict.fromkeys(one["name"] for one in truth if one["certainty"] == Certainty.POSITIVE):
        there = [one for one in truth if one["name"] == finding and one["certainty"] == Certainty.POSITIVE]
        if finding in prompts and prompts[finding].left:
            side, sides = side_of(study, finding), {one["side"] for one in there}
            yield "side", "not known" if side is None else "right" if sides == {side.value} else "wrong"
        if finding in prompts and prompts[finding].least:
            grade, grades = grade_of(study, finding), {GRADES.get(one["severity"]) for one in there}
            yield "grade", "not known" if grade is None else "right" if grades == {grade} else "wrong"


def read_worlds(studies: int) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    """How often sides and grades of made-up studies are read right, wrong, or not known."""
    found = {}
    for name, (synthesize, prepare) in WORLDS.items():
        with tempfile.TemporaryDirectory() as place:
            raw, prepared = Path(place) / "raw", Path(place) / "prepared"
            synthesize(raw, studies=studies, seed=SEED, processes=1, image_size=SIDE)
            prepare(raw, prepared, PrepareOptions(short_side=SIDE, processes=1))
            lines = (raw / "truth.jsonl").read_text("utf-8").splitlines()
            truth = {row["study"]: row["findings"] for row in map(json.loads, lines)}
            counts = Counter(one for study in read_manifest(prepared) for one in readings(study, truth[study.id]))
        found[name] = {
            asked: {answer: counts[asked, answer] for answer in ("right", "wrong", "not known")}
            for asked in ("side", "grade")
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("manifests", nargs="+", type=Path)
    parser.add_argument("--studies", type=int, default=1500)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    model = cxr_clip.load(arguments.run)
    recipe = model.recipe
    content = {
        "model": {
            "fingerprint": model.fingerprint,
            "recipe": recipe.name,
            "epochs": recipe.train.epochs,
            "image_size": recipe.data.image_size,
            "seed": recipe.train.seed,
        },
        "machine": platform.machine(),
        "benchmarks": measure(arguments.run, arguments.manifests),
        "made_up_studies": arguments.studies,
        "read": read_worlds(arguments.studies),
    }
    arguments.results.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
