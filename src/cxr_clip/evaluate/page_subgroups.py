"""Subgroups on the report page: a forest plot of two figures for each group, and the gaps from best to worst."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cxr_clip.evaluate.compare_page import p_in_words
from cxr_clip.evaluate.contract import SubgroupsTask
from cxr_clip.evaluate.page import of_decimals, of_percent
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.evaluate.subgroup_figures import Gap, GroupFigures, Subgroups

_WORDS = {
    "age": "Age in years",
    "sex": "Sex",
    "view": "View",
    "source": "Source",
    "images": "Images of the study",
    "sections": "Sections of the report",
}
Shown = Callable[[Estimate], tuple[str, str]]


@dataclass(frozen=True)
class Mark:
    """One figure of one group: its place and its interval in percent of the width, and both in words."""

    low: float
    point: float
    high: float
    value: str
    interval: str


@dataclass(frozen=True)
class Scale:
    """One figure's column: its name, its left and right ends in words, and where chance lies, if it lies inside."""

    title: str
    left: str
    right: str
    chance: float | None


@dataclass(frozen=True)
class GroupRow:
    """One group; a mark is None where it was not compared in that figure."""

    name: str
    counts: str
    marks: tuple[Mark | None, ...]


@dataclass(frozen=True)
class GapRow:
    """The best group minus the worst."""

    figure: str
    best: str
    worst: str
    value: str
    interval: str
    by_chance: str
    p: str
    adjusted: str


@dataclass(frozen=True)
class AttributeRows:
    """The groups of one attribute; `findings` are rows of how many studies of each are positive and negative."""

    title: str
    compared_on: str
    rows: tuple[GroupRow, ...]
    gaps: tuple[GapRow, ...]
    findings: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class SubgroupTable:
    """All of it: a column for each figure that was measured, and the attributes."""

    scales: tuple[Scale, ...]
    attributes: tuple[AttributeRows, ...]


@dataclass(frozen=True)
class _Column:
    """One figure: whose estimate it shows, and the ends of its axis."""

    figure: str
    scale: Scale
    of: Callable[[GroupFigures], Estimate | None]
    shown: Shown
    ends: tuple[float, float]


def subgroup_table(result: BenchmarkResult) -> SubgroupTable | None:
    """The table of a benchmark of subgroups; None for another kind, or where nothing was compared."""
    found = result.subgroups
    if found is None or not found.gaps or result.benchmark is None:
        return None
    task = result.benchmark.task
    assert isinstance(task, SubgroupsTask)
    chance = result.metrics.get(f"image_to_text/{task.recall_figure}_chance")
    columns = [
        _column("auroc", "AUROC", found, of=lambda one: one.auroc, shown=of_decimals, chance=0.5),
        _column(
            task.recall_figure,
            f"R@{task.recall}, image → text",
            found,
            of=lambda one: one.recall,
            shown=of_percent,
            chance=None if chance is None else chance.value,
        ),
    ]
    measured = [column for column in columns if column is not None]
    names = dict.fromkeys(gap.attribute for gap in found.gaps)
    return SubgroupTable(
        scales=tuple(column.scale for column in measured),
        attributes=tuple(_attribute(name, found, measured) for name in names),
    )


def _column(
    figure: str,
    title: str,
    found: Subgroups,
    *,
    of: Callable[[GroupFigures], Estimate | None],
    shown: Shown,
    chance: float | None,
) -> _Column | None:
    """The column of a figure, as wide as its intervals; None where no group has it."""
    estimates = [one for group in found.groups if (one := of(group)) is not None]
    if not estimates:
        return None
    ends = _ends(min(one.low for one in estimates), max(one.high for one in estimates))
    left, right = (f"{end:.2f}" if shown is of_decimals else f"{100 * end:.0f}\N{NO-BREAK SPACE}%" for end in ends)
    place = _place(chance, ends) if chance is not None and ends[0] <= chance <= ends[1] else None
    return _Column(figure, Scale(title, left, right, place), of, shown, ends)


def _ends(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis at twentieths; two different ones even where nothing strays, as of a model without fault."""
    first, last = int(np.floor(20 * low)), int(np.ceil(20 * high))
    if first == last:
        first, last = max(0, first - 1), max(1, last)
    return first / 20, last / 20


def _attribute(name: str, found: Subgroups, columns: Sequence[_Column]) -> AttributeRows:
    groups = [one for one in found.groups if one.attribute == name]
    findings = found.findings[name]
    spoken_of = dict.fromkeys(finding for one in groups for finding, counts in one.findings.items() if any(counts))
    return AttributeRows(
        title=_WORDS.get(name, name.capitalize()),
        compared_on=", ".join(findings),
        rows=tuple(_row(one, findings, columns) for one in groups),
        gaps=tuple(_gap_row(gap, columns) for gap in found.gaps if gap.attribute == name),
        findings=tuple(
            (finding, tuple("{:,} / {:,}".format(*one.findings[finding]) for one in groups)) for finding in spoken_of
        ),
    )


def _row(group: GroupFigures, findings: Sequence[str], columns: Sequence[_Column]) -> GroupRow:
    positives = sum(group.findings[finding][0] for finding in findings)
    told = f", {positives:,} positives" if findings else ""
    return GroupRow(
        name=group.name,
        counts=f"{group.studies:,} studies{told}",
        marks=tuple(_mark(column.of(group), column) for column in columns),
    )


def _mark(one: Estimate | None, column: _Column) -> Mark | None:
    if one is None:
        return None
    low, point, high = (_place(value, column.ends) for value in (one.low, one.value, one.high))
    return Mark(low, point, high, *column.shown(one))


def _gap_row(gap: Gap, columns: Sequence[_Column]) -> GapRow:
    column = next(one for one in columns if one.figure == gap.figure)
    by_chance = Estimate(gap.by_chance, gap.by_chance, gap.by_chance, gap.difference.n)
    return GapRow(
        figure=column.scale.title,
        best=gap.best,
        worst=gap.worst,
        value=column.shown(gap.difference)[0],
        interval=column.shown(gap.difference)[1],
        by_chance=column.shown(by_chance)[0],
        p=p_in_words(gap.p),
        adjusted=p_in_words(gap.adjusted),
    )


def _place(value: float, ends: tuple[float, float]) -> float:
    """Where a figure lies between both ends, in percent."""
    return round(100 * (value - ends[0]) / (ends[1] - ends[0]), 2)
