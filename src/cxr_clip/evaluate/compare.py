"""Whether one model is better than another: both on the same studies, patients drawn together for both.

The resamples are the same for both models and for every finding, so what the models share falls out of the difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.compare_ranks import PairedRanks, pair_ranks, recall_differences
from cxr_clip.evaluate.delong import area_difference, areas, patients_of_classes
from cxr_clip.evaluate.differences import Difference, ResampledPair, difference_of
from cxr_clip.evaluate.multiplicity import CORRECTIONS
from cxr_clip.evaluate.paired_scores import PairedScores, pair_scores_of
from cxr_clip.evaluate.query_ranks import QueryRanks
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.statistics import patient_bootstrap_weights
from cxr_clip.metrics import auroc, average_precision, weighted_auroc, weighted_average_precision

KINDS = {"auroc": (auroc, weighted_auroc), "average_precision": (average_precision, weighted_average_precision)}


@dataclass(frozen=True)
class ComparisonOptions:
    """How to compare; `correction` of the p values of a benchmark's findings is "holm" or "benjamini-hochberg"."""

    resamples: int = 2000
    seed: int = 0
    correction: str = "holm"


@dataclass(frozen=True)
class Comparison:
    """Every difference: of each benchmark and kind of figure the macro average, then the findings; then recalls."""

    differences: tuple[Difference, ...]
    studies: int
    patients: int
    notes: tuple[str, ...]
    options: ComparisonOptions


def compare_scores(
    first: Sequence[FindingScores],
    second: Sequence[FindingScores],
    options: ComparisonOptions | None = None,
    *,
    ranks: tuple[Sequence[QueryRanks], Sequence[QueryRanks]] = ((), ()),
) -> Comparison:
    """Compare two evaluations of the same studies; `ranks` are those of the retrieval queries of both.

    Raises EvaluationError where they have nothing in common, disagree on a label or patient, or the correction is
    unknown.
    """
    options = options or ComparisonOptions()
    if options.correction not in CORRECTIONS:
        raise EvaluationError(f"no correction {options.correction!r}: there are {', '.join(CORRECTIONS)}")
    pairs, queries = pair_scores_of(first, second), pair_ranks(*ranks)
    if not pairs and not queries.pairs:
        raise EvaluationError(
            "the two evaluations have no finding with positive and negative studies and no retrieval in common (the "
            f"first has {_listed(first)}, the second {_listed(second)}): evaluate both on the same split, alike"
        )
    both: list[PairedScores | PairedRanks] = [*pairs, *queries.pairs]
    patient_of = {study: patient for one in both for study, patient in zip(one.studies, one.patients, strict=True)}
    column = {study: index for index, study in enumerate(patient_of)}
    rng = np.random.default_rng(options.seed)
    weights = patient_bootstrap_weights(list(patient_of.values()), options.resamples, rng)

    def drawn(one: PairedScores | PairedRanks) -> NDArray[np.uint16]:
        return weights[:, [column[study] for study in one.studies]]

    families = [
        _family(kind, [(one, drawn(one)) for one in pairs if one.benchmark == name], options)
        for name in dict.fromkeys(one.benchmark for one in pairs)
        for kind in KINDS
    ]
    recalls = [recall_differences(one, drawn(one)) for one in queries.pairs]
    return Comparison(
        differences=(
            *chain.from_iterable(families),
            *corrected(list(chain.from_iterable(recalls)), options.correction),
        ),
        studies=len(patient_of),
        patients=len(set(patient_of.values())),
        notes=(*_notes(pairs), *queries.notes),
        options=options,
    )


def corrected(differences: Sequence[Difference], correction: str) -> list[Difference]:
    """Correct the p values of figures that are looked at together."""
    adjusted = CORRECTIONS[correction]([one.p for one in differences]) if differences else []
    return [replace(one, adjusted=p) for one, p in zip(differences, adjusted, strict=True)]


def _family(
    kind: str, pairs: Sequence[tuple[PairedScores, NDArray[np.uint16]]], options: ComparisonOptions
) -> list[Difference]:
    """Compare one kind of figure over the findings of a benchmark: the macro average first, then each with its p."""
    plain, weighted = KINDS[kind]
    found = {
        one.finding: ResampledPair(
            values=(plain(one.first, one.labels), plain(one.second, one.labels)),
            first=weighted(one.first, one.labels, weights),
            second=weighted(one.second, one.labels, weights),
            n=len(one.studies),
        )
        for one, weights in pairs
    }
    benchmark = pairs[0][0].benchmark
    members = corrected(
        [difference_of(benchmark, f"{kind}/{name}", one) for name, one in found.items()], options.correction
    )
    if kind == "auroc":
        members = [replace(one, delong=_delong(pair)) for one, (pair, _) in zip(members, pairs, strict=True)]
    return [difference_of(benchmark, f"{kind}/macro", _macro(found)), *members]


def _macro(found: Mapping[str, ResampledPair]) -> ResampledPair:
    """Average the findings, resample by resample."""
    each = list(found.values())
    return ResampledPair(
        values=(float(np.mean([one.values[0] for one in each])), float(np.mean([one.values[1] for one in each]))),
        first=np.mean([one.first for one in each], axis=0),
        second=np.mean([one.second for one in each], axis=0),
        n=len(each),
    )


def _delong(pair: PairedScores) -> float | None:
    """Return DeLong's p by patient; absent where a class has one patient only."""
    if min(patients_of_classes(pair.labels, pair.patients).values()) < 2:
        return None
    return area_difference(areas(np.stack([pair.first, pair.second]), pair.labels, pair.patients)).p


def _notes(pairs: Sequence[PairedScores]) -> tuple[str, ...]:
    """Say which findings lost studies that only one of the evaluations has."""
    lost = [f"{one.finding} {one.left_out:,} ({one.benchmark})" for one in pairs if one.left_out]
    return (f"Studies that only one of the evaluations has, left out: {', '.join(lost)}.",) if lost else ()


def _listed(scores: Sequence[FindingScores]) -> str:
    return ", ".join(sorted({one.benchmark for one in scores})) or "no scores"
