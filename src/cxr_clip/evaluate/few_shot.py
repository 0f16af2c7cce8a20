"""The few-shot benchmarks: learn from shares of the training studies, with several seeds, and measure on the test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.clean_part import overlap_of
from cxr_clip.evaluate.contract import Benchmark, FewShotTask, Learner
from cxr_clip.evaluate.few_shot_parts import (
    ImageModel,
    Labels,
    Learn,
    Part,
    Parts,
    Scores,
    Settings,
    divide,
    taught,
)
from cxr_clip.evaluate.fine_tune import fine_tune
from cxr_clip.evaluate.probe import probe
from cxr_clip.evaluate.results import BenchmarkResult, Population
from cxr_clip.evaluate.scores import FindingScores, finding_scores
from cxr_clip.evaluate.statistics import Estimate, estimate, macro_estimate, patient_bootstrap_weights
from cxr_clip.evaluate.subject import EvaluationOptions, Subject
from cxr_clip.evaluate.subsets import POSITIVE, UNKNOWN, draw_subsets
from cxr_clip.metrics import auroc, weighted_auroc

# The test scores of each seed by the share in percent.
Learned = dict[str, list[Scores]]
LEARNERS: Mapping[Learner, Callable[[Subject, ImageModel, Parts, Settings], Learn]] = {
    Learner.PROBE: probe,
    Learner.FINE_TUNE: fine_tune,
}


@dataclass(frozen=True, eq=False)
class _Measured:
    """Some of the test studies: what was learned of them, and the findings that they can measure."""

    learned: Learned
    test: Part
    findings: Sequence[str]


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
    learned: Learned = {}
    if findings and taught(parts.validate, at_least=1).any():
        learned, sizes = _learn(benchmark, subject, parts)
        notes.extend(sizes)
    else:
        notes.append("Not measured: training, validation and test studies need both classes of a finding.")

    def figures(places: Sequence[int]) -> dict[str, Estimate]:
        here = _measurable(learned, parts.test, findings, np.asarray(places, dtype=np.int64), task.min_positives)
        return _figures(here, options)

    everybody = range(len(parts.test.studies))
    return BenchmarkResult(
        name=benchmark.name,
        metrics=figures(everybody),
        protocol=protocol.few_shot(task, options.resamples, options.seed),
        population=Population(
            studies=len(parts.test.studies),
            patients=len({study.patient for study in parts.test.studies}),
            images=len(parts.test.studies),
        ),
        notes=tuple(notes),
        scores=_scores(benchmark.name, learned, parts.test, findings),
        benchmark=benchmark,
        # Of the test studies alone: to have seen those that it learns from is no fault.
        overlap=overlap_of(parts.test.studies, subject.material.seen, figures),
    )


def _learn(benchmark: Benchmark, subject: Subject, parts: Parts) -> tuple[Learned, list[str]]:
    """The test scores of every share and seed, and how large the shares are in words."""
    task = benchmark.task
    assert isinstance(task, FewShotTask)
    model = getattr(subject.embedder, "encoder", None)
    if not isinstance(model, ImageModel):
        raise EvaluationError(f"{benchmark.name} needs a model whose image encoder can be used by itself")
    learn = LEARNERS[task.learner](subject, model, parts, dict(task.settings))
    patients = [study.patient for study in parts.train.studies]
    drawn = [draw_subsets(patients, parts.train.labels, task.shares, seed=seed) for seed in task.seeds]
    learned: Learned = {}
    sizes = []
    for number, share in enumerate(task.shares):
        name = f"{100 * share:g}"
        learned[name] = [learn(subsets[number], seed) for subsets, seed in zip(drawn, task.seeds, strict=True)]
        counts = ", ".join(f"{len(subsets[number]):,}" for subsets in drawn)
        sizes.append(f"{name} % of the training studies: {counts} studies, by seed.")
    return learned, sizes


def _measurable(
    learned: Learned, test: Part, findings: Sequence[str], places: NDArray[np.int64], at_least: int
) -> _Measured:
    """The test studies at `places`, with the findings that have enough of both classes among these."""
    here = Part([test.studies[place] for place in places], test.labels[places])
    chosen = taught(here, at_least=at_least)
    return _Measured(
        learned={share: [one[places][:, chosen] for one in by_seed] for share, by_seed in learned.items()},
        test=Part(here.studies, here.labels[:, chosen]),
        findings=[finding for finding, enough in zip(findings, chosen, strict=True) if enough],
    )


def _figures(here: _Measured, options: EvaluationOptions) -> dict[str, Estimate]:
    """AUROC of every share and finding, and their macro averages; none without a finding."""
    rng = np.random.default_rng(options.seed)
    weights = patient_bootstrap_weights([study.patient for study in here.test.studies], options.resamples, rng)
    metrics: dict[str, Estimate] = {}
    for share, by_seed in here.learned.items() if here.findings else ():
        seeds = rng.integers(0, len(by_seed), (options.resamples, len(by_seed)))
        metrics |= _of_share(f"auroc_at_{share}", by_seed, here.test.labels, here.findings, weights, seeds)
    return metrics


def _of_share(
    name: str,
    by_seed: Sequence[Scores],
    labels: Labels,
    findings: Sequence[str],
    weights: NDArray[np.uint16],
    seeds: NDArray[np.int64],
) -> dict[str, Estimate]:
    """AUROC of each finding and their macro average; `seeds` are those that each resample draws, (resamples, seeds)."""
    values, resampled, counts = [], [], []
    for column in range(len(findings)):
        known = np.flatnonzero(labels[:, column] != UNKNOWN)
        positive = labels[known, column] == POSITIVE
        areas = np.stack([weighted_auroc(one[known, column], positive, weights[:, known]) for one in by_seed])
        values.append(float(np.mean([auroc(one[known, column], positive) for one in by_seed])))
        resampled.append(areas[seeds.T, np.arange(len(seeds))].mean(axis=0))
        counts.append(len(known))
    of_each = zip(findings, values, resampled, counts, strict=True)
    return {
        f"{name}/macro": macro_estimate(values, resampled),
        **{f"{name}/{finding}": estimate(value, areas, count) for finding, value, areas, count in of_each},
    }


def _scores(benchmark: str, learned: Learned, test: Part, findings: Sequence[str]) -> tuple[FindingScores, ...]:
    """The scores of the first seed with the largest share."""
    if not learned:
        return ()
    largest, rows = list(learned.values())[-1][0], []
    for column, finding in enumerate(findings):
        known = np.flatnonzero(test.labels[:, column] != UNKNOWN)
        studies = [test.studies[int(row)] for row in known]
        labels = test.labels[known, column] == POSITIVE
        rows.append(finding_scores(benchmark, finding, studies, labels, largest[known, column]))
    return tuple(rows)


def _left_out(task: FewShotTask, findings: Sequence[str]) -> tuple[str, ...]:
    left = [finding for finding in task.findings if finding not in findings]
    few = f"fewer than {task.min_positives} test studies of a class, or none to learn from"
    return (f"Not measured, {few}: {', '.join(left)}.",) if left else ()
