"""Grades from scores: thresholds that validation chooses, and what they make of other studies."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

TIE = 1e-6


@dataclass(frozen=True)
class GradeTable:
    """How one score grades one finding: `counts[g][p]` studies of grade g were given grade p.

    A study is given the grade k where its score reaches k of the `thresholds`, which were chosen on `validation`
    studies.
    """

    finding: str
    score: str
    thresholds: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    validation: int


def choose_thresholds(
    scores: Float[ndarray, "studies"], grades: Int[ndarray, "studies"], *, levels: int
) -> Float[ndarray, "steps"]:
    """Thresholds that give each grade, from 0 to `levels` - 1, to as many studies as have it.

    A threshold lies in the middle between two neighbouring scores, or just beyond all of them.
    """
    ascending = np.sort(scores)
    beyond = np.r_[ascending[0] - 2 * TIE, ascending, ascending[-1] + 2 * TIE]
    below = np.asarray([np.count_nonzero(grades < grade) for grade in range(1, levels)], dtype=np.int64)
    return np.asarray((beyond[below] + beyond[below + 1]) / 2)


def grade_by(scores: Float[ndarray, "studies"], thresholds: Float[ndarray, "steps"]) -> Int[ndarray, "studies"]:
    """The grade of each score: how many thresholds it reaches."""
    return np.searchsorted(thresholds, scores, side="right").astype(np.int64)


def count_grades(
    grades: Int[ndarray, "studies"], given: Int[ndarray, "studies"], *, levels: int
) -> tuple[tuple[int, ...], ...]:
    """How many studies of each grade were given each grade."""
    table = np.bincount(grades * levels + given, minlength=levels * levels).reshape(levels, levels)
    return tuple(tuple(row) for row in table.tolist())


def enough(grades: Int[ndarray, "studies"], *, studies: int, of_grade: int) -> bool:
    """Whether so many studies are graded, and two grades have `of_grade` of them."""
    return len(grades) >= studies and int((np.bincount(grades) >= of_grade).sum()) >= 2
