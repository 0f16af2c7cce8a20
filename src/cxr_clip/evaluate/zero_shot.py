"""Zero-shot classification, one finding at a time: is an image nearer to "finding" than to "no finding"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.data.stated import stated
from cxr_clip.directions import Direction, pair_scores
from cxr_clip.evaluate.contract import Benchmark
from cxr_clip.evaluate.delong import area_interval
from cxr_clip.evaluate.results import FindingDetails
from cxr_clip.evaluate.scores import FindingScores, finding_scores
from cxr_clip.evaluate.statistics import Estimate, estimate, left_out, mean_estimate
from cxr_clip.metrics import (
    auroc,
    average_precision,
    roc_curve,
    weighted_auroc,
    weighted_average_precision,
)
from cxr_clip.study import Certainty, Study

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FindingFigures:
    """The figures of one finding, and their values over the resamples, for the macro average.

    The interval of the AUROC is `delong.area_interval`, or from the resamples (`bootstrapped`) where that has none.
    """

    details: FindingDetails
    scores: FindingScores
    auroc: Estimate
    average_precision: Estimate
    resampled_auroc: Floats
    resampled_average_precision: Floats
    bootstrapped: bool


def describe_finding(prompt: ZeroShotPrompt, studies: Sequence[Study], *, min_positives: int) -> FindingDetails:
    """Count what the studies say of a finding; it is measured if both classes have `min_positives` studies."""
    said = [study.findings.get(prompt.finding) for study in studies]
    positive, negative = said.count(Certainty.POSITIVE), said.count(Certainty.NEGATIVE)
    return FindingDetails(
        finding=prompt.finding,
        positive=positive,
        negative=negative,
        uncertain=said.count(Certainty.UNCERTAIN),
        not_mentioned=said.count(None),
        positive_prompts=tuple(prompt.positive),
        negative_prompts=tuple(prompt.negative),
        measured=min(positive, negative) >= max(1, min_positives),
    )


def listed_of(benchmark: Benchmark, findings: Sequence[FindingDetails]) -> list[FindingDetails]:
    """The findings to list: all of a data set's own benchmark; of one for any data set those that studies speak of."""
    return list(findings) if benchmark.sources else spoken_of(findings)


def spoken_of(findings: Sequence[FindingDetails]) -> list[FindingDetails]:
    """Return the findings that some study says anything of."""
    return [one for one in findings if one.positive or one.negative or one.uncertain]


def measure_finding(
    details: FindingDetails,
    studies: Sequence[Study],
    images: Float[Tensor, "studies dim"],
    direction: Direction,
    weights: NDArray[np.uint16],
    *,
    benchmark: str,
) -> FindingFigures:
    """Measure one finding on the studies where it is positive or negative; `weights` is (resamples, studies).

    `benchmark` is the name that its scores are kept under.
    """
    counted, positive = stated(studies, details.finding)
    scores = pair_scores(images, direction)[counted]
    measured_studies = [studies[int(index)] for index in counted]
    patients = [study.patient for study in measured_studies]
    areas = weighted_auroc(scores, positive, weights[:, counted])
    precisions = weighted_average_precision(scores, positive, weights[:, counted])
    area, interval = auroc(scores, positive), area_interval(scores, positive, patients)
    return FindingFigures(
        details=replace(details, curve=roc_curve(scores, positive)),
        scores=finding_scores(benchmark, details.finding, measured_studies, positive, scores),
        auroc=replace(interval, value=area) if interval else estimate(area, areas, len(scores)),
        bootstrapped=interval is None,
        average_precision=estimate(average_precision(scores, positive), precisions, len(scores)),
        resampled_auroc=areas,
        resampled_average_precision=precisions,
    )


def zero_shot_metrics(figures: Sequence[FindingFigures]) -> Mapping[str, Estimate]:
    """Name the figures of the findings, with their macro averages first; no finding, no figure."""
    if not figures:
        return {}
    areas, precisions = [one.auroc for one in figures], [one.average_precision for one in figures]
    metrics = {
        "auroc/macro": mean_estimate(areas, [one.resampled_auroc for one in figures]),
        "average_precision/macro": mean_estimate(precisions, [one.resampled_average_precision for one in figures]),
    }
    names = [one.details.finding for one in figures]
    metrics |= {f"auroc/{name}": area for name, area in zip(names, areas, strict=True)}
    return metrics | {f"average_precision/{name}": value for name, value in zip(names, precisions, strict=True)}


def zero_shot_notes(
    figures: Sequence[FindingFigures], findings: Sequence[FindingDetails], *, min_positives: int
) -> tuple[str, ...]:
    """Say which findings have too few studies, how many resamples lost a class, and what has no DeLong's interval."""
    few = [f"{one.finding} ({one.positive} positive, {one.negative} negative)" for one in findings if not one.measured]
    notes = [f"Fewer than {min_positives} studies of a class, not measured: {', '.join(few)}."] if few else []
    lost = {one.details.finding: left_out(one.resampled_auroc) for one in figures}
    if any(lost.values()):
        listed = ", ".join(f"{name} {count}" for name, count in lost.items() if count)
        notes.append(f"Resamples in which a class was not drawn, left out of the intervals: {listed}.")
    if bootstrapped := [one.details.finding for one in figures if one.bootstrapped]:
        notes.append(
            "All scores equal, or fewer than two patients of a class: the interval of AUROC is the bootstrap's, which "
            f"is too narrow where one patient stands for a class, for {', '.join(bootstrapped)}."
        )
    return tuple(notes)
