"""Rare findings on made-up studies: does drawing them more often help, and what of findings that are never seen.

    python benchmarks/rare.py --work FOLDER --image-encoder FOLDER [--seeds 0 1 2] [--studies 5000]

One made-up Open-I; its training studies are thinned so that a third of the findings is common, a third rarer and a
third rare. Each seed turns the thirds, so that after three seeds every finding was once in each. Of each seed: a run as
usual, one that draws rare findings more often, and one from which the rare third is held out; all are measured on the
whole test split. A stopped run is continued, a measured one read. Writes results/rare.json.
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from measured_with import machine
from numpy.typing import NDArray

from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.prompts import load_zero_shot_prompts
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import load
from cxr_clip.evaluate.benchmarks import EvaluationOptions, evaluate_manifest
from cxr_clip.evaluate.rare import group_of
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.scores import FindingScores, read_scores, write_scores
from cxr_clip.evaluate.shared_resamples import SharedResamples, share_resamples
from cxr_clip.evaluate.statistics import Estimate, estimate
from cxr_clip.evaluate.training_counts import count_training
from cxr_clip.evaluate.training_manifests import TrainingManifests
from cxr_clip.metrics import auroc, average_precision, weighted_auroc, weighted_average_precision
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.recipe import Recipe, load_recipe
from cxr_clip.study import Certainty, Split, Study
from cxr_clip.synthetic import synthesize_openi
from cxr_clip.train.train_run import train_run
from cxr_clip.whole_files import whole_file, write_whole

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "src" / "cxr_clip" / "resources" / "quickstart.yaml"
RESULTS = Path(__file__).parent / "results" / "rare.json"
# Three thirds of like difficulty; the share of its positive training studies that a finding of each group keeps.
THIRDS = (
    ("Cardiomegaly", "Pneumothorax", "Nodule", "Consolidation"),
    ("Pleural Effusion", "Emphysema", "Fracture", "Hernia"),
    ("Support Devices", "Edema", "Atelectasis", "Mass"),
)
KEPT = {"head": 1.0, "middle": 0.3, "tail": 0.04}
ARMS = {
    "uniform": (),
    "rare": ("data.rare_sampling.exponent=0.5",),
    "held out": (),
}
# Plain CLIP on small pictures and prompts of the labels, the image tower as it comes: half a minute of one free thread.
SMALL = (
    "data.image_size=64",
    "data.max_tokens=64",
    "data.images_per_study=1",
    "data.texts_per_study=1",
    "data.augment.clahe_probability=0",
    "loss.image_image=0",
    "loss.text_text=0",
    "model.text.architecture.num_hidden_layers=1",
    "model.text.architecture.hidden_size=64",
    "model.text.architecture.intermediate_size=128",
    "model.text.pooling=mean",
    "train.batch_size=32",
    "train.epochs=4",
    "train.validate_epochs=4",
    "train.learning_rate=2e-3",
    "train.factors.image=1",
    "train.precision=fp32",
    "train.device=cpu",
    "log.zero_shot=false",
)
RESAMPLES = 1000
Figure = Callable[..., NDArray[np.float64]]
FIGURES: Mapping[str, Figure] = {"auroc": weighted_auroc, "average_precision": weighted_average_precision}


@dataclass(frozen=True)
class Run:
    """One run: its arm and seed, which findings are in which group, what retrieval gives, and the scores of studies."""

    arm: str
    seed: int
    groups: Mapping[str, tuple[str, ...]]
    counts: Mapping[str, int]
    studies: int
    minutes: float
    recall: Mapping[str, float]
    scores: Mapping[str, FindingScores]


Asked = Sequence[tuple[Run, str]]


def main() -> None:
    arguments = parse()
    whole = world(arguments)
    runs: list[Run] = []
    for seed in arguments.seeds:
        groups = groups_of(seed)
        thin = thinned(whole, arguments.work / f"thinned-{seed}", groups, seed)
        runs += [measure(arm, seed, groups, thin, arguments) for arm in arguments.arms]
        if {"uniform", "rare"}.issubset(arguments.arms):
            write(runs, arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--image-encoder", type=Path, required=True, help="MobileNetV2 0.35 in Hugging Face format")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--arms", nargs="+", choices=list(ARMS), default=list(ARMS), help="written are uniform and rare together"
    )
    parser.add_argument("--studies", type=int, default=5000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("overrides", nargs="*", help="settings as section.key=value")
    return parser.parse_intermixed_args()


def world(arguments: argparse.Namespace) -> Path:
    """The made-up studies, prepared; passed over where they are there."""
    raw, manifest = arguments.work / "raw", arguments.work / "whole"
    synthesize_openi(raw, studies=arguments.studies, seed=11, image_size=128)
    prepare_openi(raw, manifest, PrepareOptions(short_side=96, processes=1))
    return manifest


def groups_of(seed: int) -> Mapping[str, tuple[str, ...]]:
    """Which findings are in which group: the thirds, turned by the seed."""
    return {name: THIRDS[(number + seed) % 3] for number, name in enumerate(KEPT)}


def thinned(manifest: Path, folder: Path, groups: Mapping[str, Sequence[str]], seed: int) -> Path:
    """The same studies but for training studies with rarer findings, most of which are left out."""
    kept = {finding: KEPT[name] for name, findings in groups.items() for finding in findings}
    rng = np.random.default_rng((seed, 5))
    rows = [row for row, study in enumerate(read_manifest(manifest)) if stays(study, kept, rng.random())]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "shards").exists():
        shutil.copytree(manifest / "shards", folder / "shards", copy_function=os.link)
    with whole_file(folder / "manifest.parquet") as partial:
        pq.write_table(pq.read_table(manifest / "manifest.parquet").take(rows), partial)
    return folder


def stays(study: Study, kept: Mapping[str, float], drawn: float) -> bool:
    """Whether a study stays: by its rarest finding that is there, or may be."""
    there = (kept.get(name, 1.0) for name, said in study.findings.items() if said is not Certainty.NEGATIVE)
    return study.split is not Split.TRAIN or drawn < min(there, default=1.0)


def measure(
    arm: str, seed: int, groups: Mapping[str, tuple[str, ...]], manifest: Path, arguments: argparse.Namespace
) -> Run:
    """Train and evaluate one arm with one seed."""
    image = {"pretrained": str(arguments.image_encoder), "train": "locked"}
    recipe = recipe_of(arm, seed, groups, manifest, [f"model.image={json.dumps(image)}", *arguments.overrides])
    folder = arguments.work / f"{arm.replace(' ', '-')}-seed{seed}"
    trained = train_run(recipe, folder, progress=False)
    findings = tuple(finding for third in THIRDS for finding in third)
    counts = count_training(TrainingManifests(recipe))
    assert counts is not None
    scores, recall = folder / "scores.parquet", folder / "recall.json"
    if not recall.is_file():
        results = {one.name: one for one in measured(folder, manifest, findings)}
        write_scores(scores, results["zero_shot/standard"].scores)
        names = ("image_to_text/recall_at_10", "image_to_text/recall_at_10_chance")
        write_whole(recall, json.dumps({name: results["retrieval"].metrics[name].value for name in names}))
    return Run(
        arm=arm,
        seed=seed,
        groups=groups,
        counts={finding: counts.positive.get(finding, 0) for finding in findings},
        studies=counts.studies,
        minutes=round(trained.result.state.seconds / 60, 2),
        recall=json.loads(recall.read_text()),
        scores={one.finding: one for one in read_scores(scores)},
    )


def measured(folder: Path, manifest: Path, findings: tuple[str, ...]) -> list[BenchmarkResult]:
    """Zero-shot findings and retrieval on the test studies; intervals come later, over all runs together."""
    studies = read_manifest(manifest).where(split=Split.TEST)
    return evaluate_manifest(
        load(folder, device="cpu"),
        studies,
        read_image=ImageStore(studies.root).read,
        prompts={"standard": load_zero_shot_prompts("standard")},
        options=EvaluationOptions(findings=findings, resamples=50, gallery=0),
    )


def recipe_of(
    arm: str, seed: int, groups: Mapping[str, Sequence[str]], manifest: Path, overrides: Sequence[str]
) -> Recipe:
    """The quickstart's recipe on one source, smaller; the arm decides what training sees."""
    source = {"manifest": str(manifest), "label_prompts": 1.0}
    held_out = (f"data.hold_out={json.dumps(groups['tail'])}",) if arm == "held out" else ()
    return load_recipe(
        RECIPE,
        (
            f"data.sources={json.dumps([source])}",
            *SMALL,
            f"train.seed={seed}",
            "log.monitor=false",
            *ARMS[arm],
            *held_out,
            *overrides,
        ),
    )


def write(runs: Sequence[Run], arguments: argparse.Namespace) -> None:
    """Write what there is so far."""
    shared = share_resamples([one for run in runs for one in run.scores.values()], resamples=RESAMPLES, seed=0)
    content = {
        "machine": machine(),
        "overrides": arguments.overrides,
        "kept": KEPT,
        "test_studies": len(shared.row),
        "runs": [of_run(run) for run in runs],
        "groups": {name: of_group(name, runs, shared) for name in KEPT},
        "held_out": of_held_out(runs, shared) if by_seed(runs, "held out") else None,
        "recall": {arm: mean_recall(by_seed(runs, arm).values()) for arm in ARMS if by_seed(runs, arm)},
    }
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    write_whole(arguments.results, json.dumps(content, indent=1) + "\n")


def of_run(run: Run) -> dict[str, object]:
    """One run in plain values, with the figures of each finding."""
    group = {finding: name for name, findings in run.groups.items() for finding in findings}
    return {
        "arm": run.arm,
        "seed": run.seed,
        "minutes": run.minutes,
        "training_studies": run.studies,
        "recall": run.recall,
        "findings": {
            finding: {
                "group": group[finding],
                "by_rule": group_of(run.counts[finding] / run.studies),
                "training_positives": run.counts[finding],
                "positives": int(one.labels.sum()),
                "chance": float(one.labels.mean()),
                "auroc": auroc(one.scores, one.labels),
                "average_precision": average_precision(one.scores, one.labels),
            }
            for finding, one in run.scores.items()
        },
    }


def of_group(name: str, runs: Sequence[Run], shared: SharedResamples) -> dict[str, object]:
    """The mean over seeds and findings of a group with and without more draws, and their paired difference."""
    uniform, rare = by_seed(runs, "uniform"), by_seed(runs, "rare")
    before = [(run, finding) for run in uniform.values() for finding in run.groups[name]]
    after = [(rare[run.seed], finding) for run, finding in before]
    return {
        **counted(before),
        **{
            key: {
                "uniform": asdict(means(before, shared, figure).estimate),
                "rare": asdict(means(after, shared, figure).estimate),
                "difference": asdict(difference(after, before, shared, figure)),
                "difference_by_seed": {
                    seed: difference(of_seed(after, seed), of_seed(before, seed), shared, figure).value
                    for seed in uniform
                },
            }
            for key, figure in FIGURES.items()
        },
    }


def of_held_out(runs: Sequence[Run], shared: SharedResamples) -> dict[str, object]:
    """The findings that were held out, beside the others of the same runs and the same ones where they were rare."""
    held, uniform = by_seed(runs, "held out"), by_seed(runs, "uniform")
    unseen = [(run, finding) for run in held.values() for finding in run.groups["tail"]]
    others = [(run, finding) for run in held.values() for name in ("head", "middle") for finding in run.groups[name]]
    as_tail = [(uniform[run.seed], finding) for run, finding in unseen]
    return {
        **counted(unseen),
        **{
            key: {
                "unseen": asdict(means(unseen, shared, figure).estimate),
                "seen": asdict(means(others, shared, figure).estimate),
                "unseen minus seen": asdict(difference(unseen, others, shared, figure)),
                "the same findings as tail": asdict(means(as_tail, shared, figure).estimate),
                "unseen minus tail": asdict(difference(unseen, as_tail, shared, figure)),
            }
            for key, figure in FIGURES.items()
        },
    }


def by_seed(runs: Sequence[Run], arm: str) -> Mapping[int, Run]:
    """The runs of an arm."""
    return {run.seed: run for run in runs if run.arm == arm}


def of_seed(asked: Asked, seed: int) -> Asked:
    return [(run, finding) for run, finding in asked if run.seed == seed]


def counted(asked: Asked) -> dict[str, float]:
    """Of findings in runs: average precision of chance, positives of the test, share of the training studies."""
    labels = [run.scores[finding].labels for run, finding in asked]
    return {
        "chance": float(np.mean([one.mean() for one in labels])),
        "positives": sum(int(one.sum()) for one in labels),
        "training_share": float(np.mean([run.counts[finding] / run.studies for run, finding in asked])),
    }


@dataclass(frozen=True)
class Means:
    """The mean of a figure over findings and runs, and in each resample."""

    value: float
    resampled: NDArray[np.float64]
    n: int

    @property
    def estimate(self) -> Estimate:
        """With its interval."""
        return estimate(self.value, self.resampled, self.n)


def means(asked: Asked, shared: SharedResamples, figure: Figure) -> Means:
    """All runs are measured on the same studies, which are drawn together."""
    scores = [run.scores[finding] for run, finding in asked]
    values = [figure(one.scores, one.labels, np.ones((1, len(one.labels)), dtype=np.uint16))[0] for one in scores]
    resampled = [figure(one.scores, one.labels, shared.weights_of(one)) for one in scores]
    return Means(float(np.mean(values)), np.mean(resampled, axis=0), len(scores))


def difference(after: Asked, before: Asked, shared: SharedResamples, figure: Figure) -> Estimate:
    one, other = means(after, shared, figure), means(before, shared, figure)
    return estimate(one.value - other.value, one.resampled - other.resampled, one.n)


def mean_recall(runs: Iterable[Run]) -> dict[str, float]:
    """R@10 from image to text over the seeds of an arm, with chance."""
    recalls = [run.recall for run in runs]
    return {name: float(np.mean([one[name] for one in recalls])) for name in recalls[0]}


if __name__ == "__main__":
    main()
