"""Whether a model tells opposite meanings of sentences apart, given the picture and in the text alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from cxr_clip.data.meaning_prompts import MeaningPrompts
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.data.sides_and_grades import LITTLE, MODERATE, MUCH
from cxr_clip.data.stated import stated
from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.contract import Benchmark, MeaningTask
from cxr_clip.evaluate.meaning_figures import (
    Cosines,
    Draws,
    Weights,
    balanced,
    in_order,
    nearer,
    rank_correlation,
    share,
    text_figures,
)
from cxr_clip.evaluate.proportions import resampled_share
from cxr_clip.evaluate.results import BenchmarkResult, FindingDetails
from cxr_clip.evaluate.scores import FindingScores, finding_scores
from cxr_clip.evaluate.statistics import Estimate, estimate, exact
from cxr_clip.evaluate.study_images import embed_texts
from cxr_clip.evaluate.subject import Subject
from cxr_clip.evaluate.told_places import Side, grade_of, side_of
from cxr_clip.evaluate.zero_shot import describe_finding, listed_of, zero_shot_notes
from cxr_clip.study import Certainty, Study

Wanted = Callable[[Sequence[str]], Cosines]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """One figure of one finding over the draws, on `n` studies; `weights` are those of the studies of a share."""

    figure: str
    finding: str
    draws: Draws
    n: int
    weights: Weights | None = None


@dataclass(frozen=True, eq=False)
class _Told:
    """What studies tell of a finding; a side or grade that is not known, or not asked for, is None."""

    details: FindingDetails
    sides: Sequence[Side | None]
    grades: Sequence[int | None]


def measure_meaning(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure what of each finding has enough studies, and the texts alone."""
    task, options = benchmark.task, subject.options
    assert isinstance(task, MeaningTask)
    least, weights = task.min_positives, _with_all(subject)
    images = subject.embeddings(task.images).double().numpy()

    def cosines(texts: Sequence[str]) -> Cosines:
        return np.asarray(images @ _embedded(subject, texts).T)

    told = [_told(one, subject.studies, least=least) for one in task.prompts]
    drawn, scores = list[_Drawn](), list[FindingScores]()
    for prompts, one in zip(task.prompts, told, strict=True):
        if one.details.measured:
            figures, of_studies = _negation(benchmark.name, prompts, subject, cosines, weights)
            drawn += figures
            scores.append(of_studies)
        drawn += [*_side(prompts, one, cosines, weights, least), *_severity(prompts, one, cosines, weights, least)]
    listed = listed_of(benchmark, [one.details for one in told])
    return BenchmarkResult(
        name=benchmark.name,
        metrics={**_estimates(drawn), **_text_estimates(task, subject)} if drawn else {},
        protocol=protocol.meaning(task, options.resamples, options.seed),
        population=subject.population(rule=task.images),
        notes=(
            *protocol.without_image(subject.without_image),
            *zero_shot_notes([], listed, min_positives=least),
            *_counts_in_words(told),
        ),
        findings=tuple(listed),
        scores=tuple(scores),
        benchmark=benchmark,
    )


def _told(prompts: MeaningPrompts, studies: Sequence[Study], *, least: int) -> _Told:
    there = [study if study.findings.get(prompts.finding) is Certainty.POSITIVE else None for study in studies]
    return _Told(
        details=describe_finding(
            ZeroShotPrompt(prompts.finding, prompts.present, prompts.absent), studies, min_positives=least
        ),
        sides=[side_of(one, prompts.finding) if one and prompts.left else None for one in there],
        grades=[grade_of(one, prompts.finding) if one and prompts.least else None for one in there],
    )


def _negation(
    benchmark: str, prompts: MeaningPrompts, subject: Subject, cosines: Wanted, weights: Weights
) -> tuple[list[_Drawn], FindingScores]:
    """Present against absent, and doubt between them; the scores are how much nearer a study is to present."""
    counted, positive = stated(subject.studies, prompts.finding)
    present, possible, absent = (
        cosines(texts)[counted] for texts in (prompts.present, prompts.possible, prompts.absent)
    )
    right = np.where(positive, nearer(present, absent), nearer(absent, present))
    ordered = np.where(positive, in_order(present, possible, absent), in_order(absent, possible, present))
    of_counted, finding = weights[:, counted], prompts.finding
    figures = [
        _Drawn("negation", finding, balanced(right, positive, of_counted), len(counted), of_counted),
        _of_class("negation_of_positives", finding, right, positive, of_counted),
        _of_class("negation_of_negatives", finding, right, ~positive, of_counted),
        _Drawn("uncertainty", finding, balanced(ordered, positive, of_counted), len(counted), of_counted),
    ]
    studies = [subject.studies[place] for place in counted]
    return figures, finding_scores(benchmark, finding, studies, positive, (present - absent).mean(axis=1))


def _of_class(
    figure: str,
    finding: str,
    right: Float[ndarray, "studies"],
    of_class: Bool[ndarray, "studies"],
    weights: Weights,
) -> _Drawn:
    return _Drawn(figure, finding, share(right, of_class, weights), int(of_class.sum()), weights[:, of_class])


def _side(prompts: MeaningPrompts, told: _Told, cosines: Wanted, weights: Weights, least: int) -> list[_Drawn]:
    """Left against right, on positive studies whose side is known."""
    places = [place for place, side in enumerate(told.sides) if side is not None]
    left = np.asarray([told.sides[place] is Side.LEFT for place in places], dtype=bool)
    if min(left.sum(), (~left).sum()) < least:
        return []
    lefts, rights = cosines(prompts.left)[places], cosines(prompts.right)[places]
    right = np.where(left, nearer(lefts, rights), nearer(rights, lefts))
    drawn = weights[:, places]
    return [_Drawn("side", prompts.finding, balanced(right, left, drawn), len(places), drawn)]


def _severity(prompts: MeaningPrompts, told: _Told, cosines: Wanted, weights: Weights, least: int) -> list[_Drawn]:
    """Little against much, on positive studies whose grade is known."""
    places = [place for place, grade in enumerate(told.grades) if grade is not None]
    grades = np.asarray([told.grades[place] for place in places], dtype=np.int64)
    if sum((grades == grade).sum() >= least for grade in (LITTLE, MODERATE, MUCH)) < 2:
        return []
    found = rank_correlation(cosines(prompts.least)[places], cosines(prompts.most)[places], grades, weights[:, places])
    return [_Drawn("severity", prompts.finding, found, len(places))]


def _estimates(drawn: Sequence[_Drawn]) -> dict[str, Estimate]:
    """Figures by name, each kind with its mean over findings first; what is undefined on all studies is left out."""
    metrics: dict[str, Estimate] = {}
    defined = [one for one in drawn if np.isfinite(one.draws[0])]
    for figure in dict.fromkeys(one.figure for one in defined):
        of_figure = [one for one in defined if one.figure == figure]
        mean = np.mean(np.stack([one.draws for one in of_figure]), axis=0)
        weights = [one.weights for one in of_figure if one.weights is not None]
        metrics[f"{figure}/macro"] = _estimate(mean, len(of_figure), np.hstack(weights) if weights else None)
        metrics |= {f"{figure}/{one.finding}": _estimate(one.draws, one.n, one.weights) for one in of_figure}
    return metrics


def _estimate(draws: Draws, n: int, weights: Weights | None) -> Estimate:
    """A figure with its interval; a share of 0 or 1 has Wilson's."""
    if weights is None:
        return estimate(float(draws[0]), draws[1:], n)
    return resampled_share(float(draws[0]), draws[1:], weights, n)


def _text_estimates(task: MeaningTask, subject: Subject) -> dict[str, Estimate]:
    """The figures of texts alone, which no study moves; n is the number of findings, or of sentences that are there."""
    others = {one.finding: one.prompts for one in task.others}
    found: dict[str, tuple[float, float, float]] = {}
    for one in task.prompts:
        if one.finding in others:
            present, absent, other = (
                _embedded(subject, texts) for texts in (one.present, one.absent, others[one.finding])
            )
            found[one.finding] = text_figures(present, absent, other)
    metrics: dict[str, Estimate] = {}
    for number, figure in enumerate(("text_negation", "text_paraphrase", "text_paraphrase_nearer")):
        values = {finding: figures[number] for finding, figures in found.items()}
        if values:
            metrics[f"{figure}/macro"] = exact(float(np.mean(list(values.values()))), len(values))
        metrics |= {f"{figure}/{finding}": exact(value, len(others[finding])) for finding, value in values.items()}
    return metrics


def _counts_in_words(told: Iterable[_Told]) -> tuple[str, ...]:
    """Say of how many studies the side and the grade are known."""
    sides = [f"{one.details.finding} {_counted(one.sides, Side)}" for one in told if any(one.sides)]
    grades = [
        f"{one.details.finding} {_counted(one.grades, (LITTLE, MODERATE, MUCH))}"
        for one in told
        if any(grade is not None for grade in one.grades)
    ]
    notes = (("Studies of a known side, left and right", sides), ("Studies graded little, moderate and much", grades))
    return tuple(f"{words}: {', '.join(listed)}." for words, listed in notes if listed)


def _counted(values: Sequence[object], of: Iterable[object]) -> str:
    return " + ".join(str(sum(value == one for value in values)) for one in of)


def _with_all(subject: Subject) -> Weights:
    """All studies once, then the resamples."""
    return np.vstack([np.ones((1, len(subject.studies)), dtype=subject.weights.dtype), subject.weights])


def _embedded(subject: Subject, texts: Sequence[str]) -> Float[ndarray, "texts dim"]:
    return embed_texts(subject.embedder, texts, batch=subject.options.batch).double().numpy()
