"""The benchmark of severity: do scores rise with the grades that readers gave, and do they tell the grades apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy import ndarray

from cxr_clip.directions import Direction, direction_between, pair_scores
from cxr_clip.evaluate.agreement import quadratic_kappa, spearman
from cxr_clip.evaluate.clean_part import overlap_of
from cxr_clip.evaluate.contract import Benchmark, SeverityTask
from cxr_clip.evaluate.results import BenchmarkResult, Population
from cxr_clip.evaluate.severity_figures import GradeTable, choose_thresholds, count_grades, enough, grade_by
from cxr_clip.evaluate.severity_protocol import severity_notes, severity_protocol
from cxr_clip.evaluate.statistics import Estimate, estimate
from cxr_clip.evaluate.study_images import images_in_use
from cxr_clip.evaluate.subject import Subject
from cxr_clip.study import Split

Draws = Float[ndarray, "draws"]
MACRO = "macro"


@dataclass(frozen=True, eq=False)
class Graded:
    """One score of one finding on the test studies, all of them and then the resamples.

    Kappa and the table of grades are absent where validation has too few graded studies.
    """

    finding: str
    score: str
    spearman: Draws
    n: int
    kappa: Draws | None = None
    table: GradeTable | None = None


@dataclass(frozen=True, eq=False)
class _Scored:
    """The graded studies of one split: scores, readers' grades, and draws of the studies."""

    scores: Float[ndarray, "studies"]
    grades: Int[ndarray, "studies"]
    weights: Shaped[ndarray, "draws studies"]


def measure_severity(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure every finding that has enough graded test studies."""
    task, options = benchmark.task, subject.options
    assert isinstance(task, SeverityTask)
    own = _of_graded(subject)
    there = own.material.manifest
    test = [study for study in there if study.split is Split.TEST]
    found = list(_measure(task, own)) if test else []

    def figures(clean: list[int]) -> Mapping[str, Estimate]:
        kept = {test[place].id for place in clean}
        places = [place for place, one in enumerate(there) if one.split is Split.VALIDATE or one.id in kept]
        return _metrics(list(_measure(task, own.part(places))))

    return BenchmarkResult(
        name=benchmark.name,
        metrics=_metrics(found),
        protocol=severity_protocol(task, options.resamples, options.seed),
        population=Population(
            studies=len(test),
            patients=len({study.patient for study in test}),
            images=sum(len(images_in_use(study)) for study in test),
        ),
        notes=severity_notes(test, found),
        benchmark=benchmark,
        grades=tuple(one.table for one in found if one.table is not None),
        # Of the test studies alone: to have seen those that thresholds are chosen by is no fault.
        overlap=overlap_of(test, subject.material.seen, figures),
    )


def _of_graded(subject: Subject) -> Subject:
    """The validation and test studies that have a grade and an image in use: no other is embedded."""
    wanted = (Split.VALIDATE, Split.TEST)
    chosen = [one for one in subject.material.manifest if one.grades and one.split in wanted and images_in_use(one)]
    return replace(subject, material=replace(subject.material, manifest=chosen))


def _measure(task: SeverityTask, subject: Subject) -> Iterator[Graded]:
    """Every score of every finding with enough graded test studies."""
    for finding, directions in _directions(task, subject).items():
        for score, direction in directions.items():
            sides = {split: _scored(subject, finding, direction, split) for split in (Split.VALIDATE, Split.TEST)}
            validation, test = sides[Split.VALIDATE], sides[Split.TEST]
            if not enough(test.grades, studies=task.min_studies, of_grade=task.min_of_grade):
                break
            one = Graded(finding, score, _spearman(test), len(test.grades))
            if enough(validation.grades, studies=task.min_studies, of_grade=task.min_of_grade):
                one = _with_grades(one, validation, test)
            yield one


def _directions(task: SeverityTask, subject: Subject) -> dict[str, dict[str, Direction]]:
    """The directions of a finding by the name of their score: presence, and degree where there are words for it."""
    embed, degrees = subject.embedder.embed_texts, {one.finding: one for one in task.degrees}
    graded = {finding for study in subject.material.manifest for finding in study.grades}
    directions: dict[str, dict[str, Direction]] = {}
    for one in task.prompts:
        if one.finding not in graded:
            continue
        directions[one.finding] = {"presence": direction_between(embed(one.positive), embed(one.negative))}
        if words := degrees.get(one.finding):
            directions[one.finding]["degree"] = direction_between(embed(words.most), embed(words.absent))
    return directions


def _scored(subject: Subject, finding: str, direction: Direction, split: Split) -> _Scored:
    places = [place for place, one in enumerate(subject.studies) if one.split is split and finding in one.grades]
    everyone = np.ones((1, len(places)), dtype=subject.weights.dtype)
    return _Scored(
        scores=pair_scores(subject.images.mean[places], direction),
        grades=np.asarray([subject.studies[place].grades[finding] for place in places], dtype=np.int64),
        weights=np.vstack([everyone, subject.weights[:, places]]),
    )


def _spearman(test: _Scored) -> Draws:
    return np.asarray(spearman(test.scores, test.grades.astype(np.float64), test.weights))


def _with_grades(one: Graded, validation: _Scored, test: _Scored) -> Graded:
    """Grade the test studies by thresholds of the validation studies."""
    levels = 1 + int(max(validation.grades.max(), test.grades.max()))
    thresholds = choose_thresholds(validation.scores, validation.grades, levels=levels)
    given = grade_by(test.scores, thresholds)
    return replace(
        one,
        kappa=np.asarray(quadratic_kappa(test.grades, given, test.weights)),
        table=GradeTable(
            finding=one.finding,
            score=one.score,
            thresholds=tuple(thresholds.tolist()),
            counts=count_grades(test.grades, given, levels=levels),
            validation=len(validation.grades),
        ),
    )


def _metrics(found: Sequence[Graded]) -> dict[str, Estimate]:
    """Name the figures, the mean over findings of each score first; what is undefined on all studies is left out."""
    drawn: dict[str, dict[str, tuple[Draws, int]]] = {}
    for one in found:
        for figure, draws in (("spearman", one.spearman), ("kappa", one.kappa)):
            if draws is not None and np.isfinite(draws[0]):
                drawn.setdefault(f"{figure}/{one.score}", {})[one.finding] = draws, one.n
    metrics: dict[str, Estimate] = {}
    for name, of_findings in drawn.items():
        mean = np.mean(np.stack([draws for draws, _ in of_findings.values()]), axis=0)
        metrics[f"{name}/{MACRO}"] = estimate(float(mean[0]), mean[1:], len(of_findings))
        for finding, (draws, n) in of_findings.items():
            metrics[f"{name}/{finding}"] = estimate(float(draws[0]), draws[1:], n)
    return metrics
