"""Whether one model is better than another: both on the same studies, patients drawn together for both.

The resamples are the same for both models and for every finding, so what the models share falls out of the difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.delong import area_difference, areas
from cxr_clip.evaluate.multiplicity import CORRECTIONS
from cxr_clip.evaluate.paired_scores import PairedScores, pair_scores_of
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.statistics import Estimate, estimate, patient_bootstrap_weights
from cxr_clip.metrics import auroc, average_precision, weighted_auroc, weighted_average_precision

Floats = NDArray[np.float64]
KINDS = {"auroc": (auroc, weighted_auroc), "average_precision": (average_precision, weighted_average_precision)}


@dataclass(frozen=True)
class ComparisonOptions:
    """How to compare; `correction` of the p values of a benchmark's findings is "holm" or "benjamini-hochberg"."""

    resamples: int = 2000
    seed: int = 0
    correction: str = "holm"


@dataclass(frozen=True)
class Difference:
    """One figure of both models and the second minus the first, with the two-sided p value of no difference.

    `adjusted` is p with the other findings in mind, absent for the macro average, which is one question and not many;
    `delong` is the p value of DeLong's test by patient, for AUROC.
    """

    benchmark: str
    figure: str
    first: Estimate
    second: Estimate
    difference: Estimate
    p: float
    adjusted: float | None = None
    delong: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Every difference: of each benchmark and kind of figure the macro average, then the findings."""

    differences: tuple[Difference, ...]
    studies: int
    patients: int
    notes: tuple[str, ...]
    options: ComparisonOptions


@dataclass(frozen=True, eq=False)
class _Resampled:
    """A figure of both models, alone and over the resamples."""

    values: tuple[float, float]
    first: Floats
    second: Floats
    n: int


def compare_scores(
    first: Sequence[FindingScores], second: Sequence[FindingScores], options: ComparisonOptions | None = None
) -> Comparison:
    """Compare two evaluations of the same studies.

    Raises EvaluationError where they have nothing in common, disagree on a label or patient, or the correction is
    unknown.
    """
    options = options or ComparisonOptions()
    if options.correction not in CORRECTIONS:
        raise EvaluationError(f"no correction {options.correction!r}: there are {', '.join(CORRECTIONS)}")
    pairs = pair_scores_of(first, second)
    patient_of = {study: patient for one in pairs for study, patient in zip(one.studies, one.patients, strict=True)}
    column = {study: index for index, study in enumerate(patient_of)}
    rng = np.random.default_rng(options.seed)
    weights = patient_bootstrap_weights(list(patient_of.values()), options.resamples, rng)
    drawn = [weights[:, [column[study] for study in one.studies]] for one in pairs]
    benchmarks = dict.fromkeys(one.benchmark for one in pairs)
    families = (
        _family(
            kind, [(one, of_one) for one, of_one in zip(pairs, drawn, strict=True) if one.benchmark == name], options
        )
        for name in benchmarks
        for kind in KINDS
    )
    return Comparison(
        differences=tuple(chain.from_iterable(families)),
        studies=len(patient_of),
        patients=len(set(patient_of.values())),
        notes=_notes(pairs),
        options=options,
    )


def _family(
    kind: str, pairs: Sequence[tuple[PairedScores, NDArray[np.uint16]]], options: ComparisonOptions
) -> list[Difference]:
    """Compare one kind of figure over the findings of a benchmark: the macro average first, then each with its p."""
    plain, weighted = KINDS[kind]
    found = {
        one.finding: _Resampled(
            values=(plain(one.first, one.labels), plain(one.second, one.labels)),
            first=weighted(one.first, one.labels, weights),
            second=weighted(one.second, one.labels, weights),
            n=len(one.studies),
        )
        for one, weights in pairs
    }
    benchmark = pairs[0][0].benchmark
    differences = [_difference(benchmark, f"{kind}/{name}", one) for name, one in found.items()]
    adjusted = CORRECTIONS[options.correction]([one.p for one in differences])
    delong = [_delong(one) if kind == "auroc" else None for one, _ in pairs]
    corrected = [
        replace(one, adjusted=p, delong=other) for one, p, other in zip(differences, adjusted, delong, strict=True)
    ]
    return [_difference(benchmark, f"{kind}/macro", _macro(found)), *corrected]


def _macro(found: Mapping[str, _Resampled]) -> _Resampled:
    """Average the findings, resample by resample."""
    each = list(found.values())
    return _Resampled(
        values=(float(np.mean([one.values[0] for one in each])), float(np.mean([one.values[1] for one in each]))),
        first=np.mean([one.first for one in each], axis=0),
        second=np.mean([one.second for one in each], axis=0),
        n=len(each),
    )


def _difference(benchmark: str, figure: str, found: _Resampled) -> Difference:
    resampled = found.second - found.first
    return Difference(
        benchmark=benchmark,
        figure=figure,
        first=estimate(found.values[0], found.first, found.n),
        second=estimate(found.values[1], found.second, found.n),
        difference=estimate(found.values[1] - found.values[0], resampled, found.n),
        p=two_sided_p(resampled),
    )


def two_sided_p(resampled: Floats) -> float:
    """Return at which level the percentile interval of the resampled differences just touches 0.

    The observed sample counts as one resample more, so p is never 0: with R resamples it is 2 / (R + 1) at least.
    """
    usable = resampled[np.isfinite(resampled)]
    tails = 1 + np.array([np.count_nonzero(usable <= 0), np.count_nonzero(usable >= 0)])
    return float(min(1.0, 2 * tails.min() / (len(usable) + 1)))


def _delong(pair: PairedScores) -> float | None:
    """Return DeLong's p by patient; absent where a class has one patient only."""
    classes = [
        {patient for patient, label in zip(pair.patients, pair.labels, strict=True) if label == side}
        for side in (True, False)
    ]
    if min(map(len, classes)) < 2:
        return None
    return area_difference(areas(np.stack([pair.first, pair.second]), pair.labels, pair.patients)).p


def _notes(pairs: Sequence[PairedScores]) -> tuple[str, ...]:
    """Say which findings lost studies that only one of the evaluations has."""
    lost = [f"{one.finding} {one.left_out:,} ({one.benchmark})" for one in pairs if one.left_out]
    return (f"Studies that only one of the evaluations has, left out: {', '.join(lost)}.",) if lost else ()
