"""The few-shot benchmarks: learn from shares of the training studies, with several seeds, and measure on the test."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.contract import Benchmark, FewShotTask, Learner
from cxr_clip.evaluate.few_shot_parts import ImageModel, Learn, Part, Parts, Scores, Settings, divide, taught
from cxr_clip.evaluate.fine_tune import fine_tune
from cxr_clip.evaluate.probe import probe
from cxr_clip.evaluate.results import BenchmarkResult, Population
from cxr_clip.evaluate.scores import FindingScores, finding_scores
from cxr_clip.evaluate.statistics import Estimate, estimate, macro_estimate, patient_bootstrap_weights
from cxr_clip.evaluate.subject import Subject
from cxr_clip.evaluate.subsets import POSITIVE, UNKNOWN, draw_subsets
from cxr_clip.metrics import auroc, weighted_auroc

LEARNERS: Mapping[Learner, Callable[[Subject, ImageModel, Parts, Settings], Learn]] = {
    Learner.PROBE: probe,
    Learner.FINE_TUNE: fine_tune,
}


def measure_few_shot(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Learn and measure; what the studies do not allow is said in a note.

    Raises EvaluationError for a model whose image encoder cannot be used by itself.
    """
    task, options = benchmark.task, subject.options
    assert isinstance(task, FewShotTask)
    parts = divide(subject.studies, task.findings)
    chosen = taught(parts.train, at_least=1) & taught(parts.test, at_least=task.min_positives)
    findings = [finding for finding, measured in zip(task.findings, chosen, strict=True) if measured]
    parts = Parts(*(Part(one.studies, one.labels[:, chosen]) for one in (parts.train, parts.validate, parts.test)))
    notes = [*protocol.without_image(subject.without_image), *_left_out(task, findings)]
    metrics: dict[str, Estimate] = {}
    scores: tuple[FindingScores, ...] = ()
    if not findings or not taught(parts.validate, at_least=1).any():
        notes.append("Not measured: training, validation and test studies need both classes of a finding.")
    else:
        metrics, scores, sizes = _measure(benchmark, subject, parts, findings)
        notes.extend(sizes)
    return BenchmarkResult(
        name=benchmark.name,
        metrics=metrics,
        protocol=protocol.few_shot(task, options.resamples, options.seed),
        population=Population(
            studies=len(parts.test.studies),
            patients=len({study.patient for study in parts.test.studies}),
            images=len(parts.test.studies),
        ),
        notes=tuple(notes),
        scores=scores,
        benchmark=benchmark,
    )


def _measure(
    benchmark: Benchmark, subject: Subject, parts: Parts, findings: Sequence[str]
) -> tuple[dict[str, Estimate], tuple[FindingScores, ...], list[str]]:
    """The figures of every share, the scores of the first seed with the largest, and how large the shares are."""
    task, options = benchmark.task, subject.options
    assert isinstance(task, FewShotTask)
    if not isinstance(subject.embedder, ImageModel):
        raise EvaluationError(f"{benchmark.name} needs a model whose image encoder can be used by itself")
    learn = LEARNERS[task.learner](subject, subject.embedder, parts, dict(task.settings))
    patients = [study.patient for study in parts.train.studies]
    drawn = [draw_subsets(patients, parts.train.labels, task.shares, seed=seed) for seed in task.seeds]
    rng = np.random.default_rng(options.seed)
    weights = patient_bootstrap_weights([study.patient for study in parts.test.studies], options.resamples, rng)
    seeds = rng.integers(0, len(task.seeds), (options.resamples, len(task.seeds)))
    metrics: dict[str, Estimate] = {}
    sizes = []
    for number, share in enumerate(task.shares):
        by_seed = [learn(subsets[number], seed) for subsets, seed in zip(drawn, task.seeds, strict=True)]
        metrics |= _figures(f"auroc_at_{100 * share:g}", by_seed, parts.test, findings, weights, seeds)
        counts = ", ".join(f"{len(subsets[number]):,}" for subsets in drawn)
        sizes.append(f"{100 * share:g} % of the training studies: {counts} studies, by seed.")
    largest = by_seed[0]
    scores = tuple(
        _scores(benchmark.name, finding, parts.test, largest[:, column], column)
        for column, finding in enumerate(findings)
    )
    return metrics, scores, sizes


def _figures(
    name: str,
    by_seed: Sequence[Scores],
    test: Part,
    findings: Sequence[str],
    weights: NDArray[np.uint16],
    seeds: NDArray[np.int64],
) -> dict[str, Estimate]:
    """AUROC of each finding and their macro average; `seeds` are those that each resample draws, (resamples, seeds)."""
    values, resampled, counts = [], [], []
    for column in range(len(findings)):
        known = np.flatnonzero(test.labels[:, column] != UNKNOWN)
        positive = test.labels[known, column] == POSITIVE
        areas = np.stack([weighted_auroc(one[known, column], positive, weights[:, known]) for one in by_seed])
        values.append(float(np.mean([auroc(one[known, column], positive) for one in by_seed])))
        resampled.append(areas[seeds.T, np.arange(len(seeds))].mean(axis=0))
        counts.append(len(known))
    of_each = zip(findings, values, resampled, counts, strict=True)
    return {
        f"{name}/macro": macro_estimate(values, resampled),
        **{f"{name}/{finding}": estimate(value, areas, count) for finding, value, areas, count in of_each},
    }


def _scores(benchmark: str, finding: str, test: Part, scores: NDArray[np.float64], column: int) -> FindingScores:
    known = np.flatnonzero(test.labels[:, column] != UNKNOWN)
    studies = [test.studies[int(row)] for row in known]
    return finding_scores(benchmark, finding, studies, test.labels[known, column] == POSITIVE, scores[known])


def _left_out(task: FewShotTask, findings: Sequence[str]) -> tuple[str, ...]:
    left = [finding for finding in task.findings if finding not in findings]
    few = f"fewer than {task.min_positives} test studies of a class, or none to learn from"
    return (f"Not measured, {few}: {', '.join(left)}.",) if left else ()
