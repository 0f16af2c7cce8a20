"""Severity on the report page: agreement with the readers' grades, beside chance, and what each grade was taken for."""

from dataclasses import dataclass

from cxr_clip.evaluate.figure_rows import FigureRow
from cxr_clip.evaluate.page import of_decimals
from cxr_clip.evaluate.results import BenchmarkResult

_FIGURES = {"spearman": "Spearman", "kappa": "Quadratic kappa"}
_SCORES = {"presence": "score of presence", "degree": "score of degree"}


@dataclass(frozen=True)
class GradeRows:
    """One score of one finding: a row for each grade of the readers, with how many were given each grade."""

    title: str
    rows: tuple[tuple[int, ...], ...]


def severity_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """Each figure of each score: the macro average, then the findings; chance is 0."""
    rows = []
    for name, one in result.metrics.items():
        figure, score, finding = name.split("/", maxsplit=2)
        words = "Macro average" if finding == "macro" else finding
        rows.append(FigureRow(f"{_FIGURES[figure]}, {_SCORES[score]}", words, *of_decimals(one), chance="0"))
    return tuple(rows)


def grade_rows(result: BenchmarkResult) -> tuple[GradeRows, ...]:
    """The tables of grades, in their order."""
    return tuple(GradeRows(f"{one.finding}, {_SCORES[one.score]}", one.counts) for one in result.grades)
