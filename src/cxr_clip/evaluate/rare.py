"""Figures of findings by how common they are in the training: head, middle and tail, and those it never states.

A finding belongs to the head from 10 % of the training studies on, to the tail below 1 %, to the middle between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.shared_resamples import share_resamples
from cxr_clip.evaluate.statistics import Estimate, estimate, mean_estimate
from cxr_clip.evaluate.training_counts import Exposure, TrainingCounts
from cxr_clip.metrics import weighted_auroc, weighted_average_precision

HEAD, TAIL = 0.10, 0.01
RULE = (
    f"Head: positive in at least {100 * HEAD:g} % of the studies that the prevalence is of; tail: in less than "
    f"{100 * TAIL:g} %; middle: between."
)
EVALUATED = "the evaluated studies, as the training manifests are not here"
# What is taken from what, where both groups are there.
GAPS = (("tail", "head"), ("unseen", "seen"))
_PROTOCOL = (
    RULE,
    "A group's figure is the plain mean over its findings. Average precision by chance is the share of positives "
    "among the studies that counted for a finding.",
    "Intervals of groups: 95 %, percentile bootstrap of whole patients, the same resamples for all findings; a "
    "resample in which a finding of the group lost a class is left out. Those of single findings are the benchmark's.",
)


@dataclass(frozen=True)
class RankedFinding:
    """One finding: its prevalence with the group that this puts it in, and its figures on `n` evaluated studies.

    `trained` is how many training studies are positive (None: not known); `chance` is the average precision of chance.
    """

    finding: str
    prevalence: float
    group: str
    trained: int | None
    exposure: Exposure
    positives: int
    n: int
    chance: float
    auroc: Estimate
    average_precision: Estimate


@dataclass(frozen=True)
class FindingGroup:
    """The mean figures of some findings; `positives` are counted over all of them."""

    name: str
    findings: tuple[str, ...]
    positives: int
    chance: float
    auroc: Estimate
    average_precision: Estimate


@dataclass(frozen=True)
class Gap:
    """How far the mean figures of two groups differ, in the same resamples."""

    name: str
    auroc: Estimate
    average_precision: Estimate


@dataclass(frozen=True)
class RareResult:
    """A benchmark by prevalence, the most common finding first; `studies` and `origin` say what the prevalence is of.

    Groups are head, middle and tail as far as they have a finding, and seen and unseen where a finding is unseen.
    """

    benchmark: str
    studies: int
    origin: str
    protocol: tuple[str, ...]
    findings: tuple[RankedFinding, ...]
    groups: tuple[FindingGroup, ...]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, eq=False)
class _Resampled:
    """Both figures in each resample."""

    auroc: NDArray[np.float64]
    average_precision: NDArray[np.float64]


def group_of(prevalence: float) -> str:
    """The group of a finding by its prevalence."""
    if prevalence >= HEAD:
        return "head"
    return "middle" if prevalence >= TAIL else "tail"


def rank_results(
    results: Iterable[BenchmarkResult], counts: TrainingCounts | None, *, resamples: int, seed: int
) -> tuple[RareResult, ...]:
    """Rank the findings of every zero-shot benchmark that measured some; `counts` None: by the evaluated studies."""
    return tuple(
        _rank(result, counts, resamples=resamples, seed=seed)
        for result in results
        if result.name.startswith("zero_shot/") and result.scores
    )


def _rank(result: BenchmarkResult, counts: TrainingCounts | None, *, resamples: int, seed: int) -> RareResult:
    findings = sorted(_findings(result, counts), key=lambda one: (-one.prevalence, one.finding))
    shared = share_resamples(result.scores, resamples=resamples, seed=seed)
    resampled = {one.finding: _resampled(one, shared.weights_of(one)) for one in result.scores}
    groups = tuple(_group(name, chosen, resampled) for name, chosen in _groups(findings).items())
    return RareResult(
        benchmark=result.name,
        studies=result.population.studies if counts is None else counts.studies,
        origin=_origin(counts),
        protocol=_PROTOCOL,
        findings=tuple(findings),
        groups=groups,
        gaps=tuple(_gaps(groups, resampled)),
    )


def _origin(counts: TrainingCounts | None) -> str:
    if counts is None:
        return EVALUATED
    absent = ", ".join(map(str, counts.absent))
    return f"the training studies without those of {absent}, not here" if absent else "the training studies"


def _findings(result: BenchmarkResult, counts: TrainingCounts | None) -> Iterable[RankedFinding]:
    positive = {one.finding: one.positive for one in result.findings} if counts is None else counts.positive
    studies = result.population.studies if counts is None else counts.studies
    for one in result.scores:
        prevalence = positive.get(one.finding, 0) / studies
        yield RankedFinding(
            finding=one.finding,
            prevalence=prevalence,
            group=group_of(prevalence),
            trained=None if counts is None else counts.positive.get(one.finding, 0),
            exposure=Exposure.UNKNOWN if counts is None else counts.exposure(one.finding),
            positives=int(one.labels.sum()),
            n=len(one.labels),
            chance=float(one.labels.mean()),
            auroc=result.metrics[f"auroc/{one.finding}"],
            average_precision=result.metrics[f"average_precision/{one.finding}"],
        )


def _resampled(one: FindingScores, weights: NDArray[np.uint16]) -> _Resampled:
    return _Resampled(
        weighted_auroc(one.scores, one.labels, weights), weighted_average_precision(one.scores, one.labels, weights)
    )


def _groups(findings: Sequence[RankedFinding]) -> Mapping[str, Sequence[RankedFinding]]:
    """The findings of each group that has one."""
    groups = {name: [one for one in findings if one.group == name] for name in ("head", "middle", "tail")}
    by_exposure = {one.value: [each for each in findings if each.exposure is one] for one in Exposure}
    if by_exposure[Exposure.UNSEEN]:
        groups |= {name: by_exposure[name] for name in (Exposure.SEEN.value, Exposure.UNSEEN.value)}
    return {name: chosen for name, chosen in groups.items() if chosen}


def _group(name: str, findings: Sequence[RankedFinding], resampled: Mapping[str, _Resampled]) -> FindingGroup:
    of_these = [resampled[one.finding] for one in findings]
    return FindingGroup(
        name=name,
        findings=tuple(one.finding for one in findings),
        positives=sum(one.positives for one in findings),
        chance=float(np.mean([one.chance for one in findings])),
        auroc=mean_estimate([one.auroc for one in findings], [one.auroc for one in of_these]),
        average_precision=mean_estimate(
            [one.average_precision for one in findings], [one.average_precision for one in of_these]
        ),
    )


def _gaps(groups: Sequence[FindingGroup], resampled: Mapping[str, _Resampled]) -> Iterable[Gap]:
    there = {one.name: one for one in groups}
    for first, second in GAPS:
        if first in there and second in there:
            ours, theirs = there[first], there[second]
            mine, other = _mean(ours, resampled), _mean(theirs, resampled)
            precision = ours.average_precision.value - theirs.average_precision.value
            count = len(ours.findings) + len(theirs.findings)
            yield Gap(
                name=f"{first} minus {second}",
                auroc=estimate(ours.auroc.value - theirs.auroc.value, mine.auroc - other.auroc, count),
                average_precision=estimate(precision, mine.average_precision - other.average_precision, count),
            )


def _mean(group: FindingGroup, resampled: Mapping[str, _Resampled]) -> _Resampled:
    """The mean over the findings of a group in each resample."""
    of_these = [resampled[finding] for finding in group.findings]
    return _Resampled(
        np.asarray(np.mean([one.auroc for one in of_these], axis=0)),
        np.asarray(np.mean([one.average_precision for one in of_these], axis=0)),
    )
