"""Findings by prevalence on the report page: a plot, the groups, and every finding beside chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cxr_clip.evaluate.page import of_decimals, of_hundred
from cxr_clip.evaluate.plots import RankedPoint, prevalence_panel
from cxr_clip.evaluate.rare import HEAD, TAIL, FindingGroup, Gap, RankedFinding, RareResult
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.evaluate.training_counts import Exposure

GROUPS = {
    "head": f"Head: {100 * HEAD:g}\N{NO-BREAK SPACE}% and more",
    "middle": f"Middle: {100 * TAIL:g} to {100 * HEAD:g}\N{NO-BREAK SPACE}%",
    "tail": f"Tail: below {100 * TAIL:g}\N{NO-BREAK SPACE}%",
    "seen": "Stated in training",
    "unseen": "Never stated in training",
}
# What it means that no training study is positive.
_NONE = {
    Exposure.SEEN: "0, but in doubt",
    Exposure.UNSEEN: "0, unseen",
    Exposure.UNKNOWN: "0 labelled; reports may state it",
}
_SERIES = {"head": 0, "middle": 1, "tail": 2}
UNSEEN_SERIES = 3


@dataclass(frozen=True)
class GroupRow:
    """A group, or the difference of two; what is empty does not apply."""

    name: str
    findings: str
    positives: str
    auroc: tuple[str, str]
    precision: tuple[str, str]
    chance: str


@dataclass(frozen=True)
class RankedRow:
    """One finding; `number` is what marks it in the plot."""

    number: int
    finding: str
    prevalence: str
    trained: str
    positives: str
    auroc: tuple[str, str]
    precision: tuple[str, str]
    chance: str
    times: str


@dataclass(frozen=True)
class RareSection:
    """One benchmark; `labels` are the groups that the plot shows, with the number of each one's colour."""

    benchmark: str
    origin: str
    svg: str
    labels: tuple[tuple[str, int], ...]
    groups: tuple[GroupRow, ...]
    rows: tuple[RankedRow, ...]
    protocol: tuple[str, ...]


def rare_sections(results: Sequence[RareResult], headings: Mapping[str, str]) -> tuple[RareSection, ...]:
    """Lay out each benchmark; `headings` are their names in words."""
    return tuple(_section(one, headings[one.benchmark]) for one in results)


def _section(result: RareResult, heading: str) -> RareSection:
    points = [
        RankedPoint(str(number), one.prevalence, one.auroc.value, one.auroc.low, one.auroc.high, _series(one))
        for number, one in enumerate(result.findings, start=1)
    ]
    named = {**_SERIES, "unseen": UNSEEN_SERIES}
    there = {point.series for point in points}
    return RareSection(
        benchmark=heading,
        origin=f"{result.studies:,} studies: {result.origin}",
        svg=prevalence_panel(points, (TAIL, HEAD), name=heading),
        labels=tuple((GROUPS[name], series + 1) for name, series in named.items() if series in there),
        groups=(*map(_group_row, result.groups), *map(_gap_row, result.gaps)),
        rows=tuple(_row(number, one) for number, one in enumerate(result.findings, start=1)),
        protocol=result.protocol,
    )


def _series(one: RankedFinding) -> int:
    return UNSEEN_SERIES if one.exposure is Exposure.UNSEEN else _SERIES[one.group]


def _group_row(one: FindingGroup) -> GroupRow:
    precision = of_decimals(one.average_precision)
    return GroupRow(
        name=GROUPS[one.name],
        findings=", ".join(one.findings),
        positives=f"{one.positives:,}",
        auroc=of_decimals(one.auroc),
        precision=precision,
        chance=f"{one.chance:.3f}",
    )


def _gap_row(one: Gap) -> GroupRow:
    return GroupRow(one.name.capitalize(), "", "", _signed(one.auroc), _signed(one.average_precision), "")


def _row(number: int, one: RankedFinding) -> RankedRow:
    return RankedRow(
        number=number,
        finding=one.finding,
        prevalence=_share(one.prevalence),
        trained=_trained(one),
        positives=f"{one.positives:,} of {one.n:,}",
        auroc=of_decimals(one.auroc),
        precision=of_decimals(one.average_precision),
        chance=f"{one.chance:.3f}",
        times=f"{one.average_precision.value / one.chance:,.1f} ×",
    )


def _trained(one: RankedFinding) -> str:
    """How many training studies state a finding, with what none of them means."""
    if one.trained is None:
        return "not known"
    if one.trained:
        return f"{one.trained:,}"
    return _NONE[one.exposure]


def _share(share: float) -> str:
    return of_hundred(share) if share >= TAIL or share == 0 else f"{100 * share:.2f}\N{NO-BREAK SPACE}%"


def _signed(one: Estimate) -> tuple[str, str]:
    value, low, high = (f"{number:+.3f}".replace("-", "\N{MINUS SIGN}") for number in (one.value, one.low, one.high))
    return value, f"{low} – {high}"
