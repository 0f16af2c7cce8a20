"""The scores of two evaluations side by side: the same studies with the same labels, finding by finding."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.scores import FindingScores


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Two scores of each study for one finding; `left_out` studies are in one of the evaluations only."""

    benchmark: str
    finding: str
    studies: tuple[str, ...]
    patients: tuple[str, ...]
    labels: NDArray[np.bool_]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    left_out: int


def pair_scores_of(first: Sequence[FindingScores], second: Sequence[FindingScores]) -> tuple[PairedScores, ...]:
    """Pair every finding of a benchmark that both evaluations have, on the studies that both have.

    A finding that keeps one class only is not paired. Raises EvaluationError where a study has another label or
    another patient there.
    """
    others = {(one.benchmark, one.finding): one for one in second}
    matched = [(one, others[key]) for one in first if (key := (one.benchmark, one.finding)) in others]
    pairs = [_pair(one, other) for one, other in matched]
    return tuple(one for one in pairs if one.labels.any() and not one.labels.all())


def _pair(first: FindingScores, second: FindingScores) -> PairedScores:
    place = {study: index for index, study in enumerate(second.studies)}
    here = [index for index, study in enumerate(first.studies) if study in place]
    there = [place[first.studies[index]] for index in here]
    pair = PairedScores(
        benchmark=first.benchmark,
        finding=first.finding,
        studies=tuple(first.studies[index] for index in here),
        patients=tuple(first.patients[index] for index in here),
        labels=first.labels[here],
        first=first.scores[here],
        second=second.scores[there],
        left_out=len(first.studies) + len(second.studies) - 2 * len(here),
    )
    other_patients = np.asarray([second.patients[index] for index in there], dtype=str)
    unlike = (pair.labels != second.labels[there]) | (np.asarray(pair.patients, dtype=str) != other_patients)
    if unlike.any():
        raise EvaluationError(
            f"{unlike.sum()} studies have another label of {first.finding}, or another patient, in the second "
            f"evaluation (such as {pair.studies[int(np.argmax(unlike))]}): compare evaluations of the same manifest"
        )
    return pair
