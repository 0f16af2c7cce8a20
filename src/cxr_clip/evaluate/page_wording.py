"""Dependence on wording as a strip for each finding, a dot for each wording, so that its template only lays out."""

from dataclasses import dataclass

import numpy as np

from cxr_clip.evaluate.figure_rows import FigureRow
from cxr_clip.evaluate.page import of_decimals, place_on
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.statistics import Estimate

MACRO = "macro"


@dataclass(frozen=True)
class Dot:
    """One wording: the series of its style, its place in percent of the width, its name with its AUROC."""

    series: int
    place: float
    title: str


@dataclass(frozen=True)
class Strip:
    """One finding: its wordings from `low` to `high`, all together at `together`, and its figures in words."""

    finding: str
    dots: tuple[Dot, ...]
    low: float
    high: float
    together: float
    span: str
    deviation: tuple[str, str]
    gain: tuple[str, str]


@dataclass(frozen=True)
class Strips:
    """The table: styles in the order of their series; `axis` is the left edge, `half` where chance lies in percent."""

    styles: tuple[str, ...]
    axis: float
    half: float
    strips: tuple[Strip, ...]


def strips_of(result: BenchmarkResult) -> Strips | None:
    """The strips of a wording benchmark, the macro average first; None where nothing was measured, or another kind."""
    lows = {name.removeprefix("lowest/"): one for name, one in result.metrics.items() if name.startswith("lowest/")}
    if not lows:
        return None
    axis = min(0.4, np.floor(10 * min(one.value for one in lows.values())) / 10)
    by_finding = {finding: _wordings(result, finding) for finding in lows}
    styles = tuple(dict.fromkeys(_style(name) for wordings in by_finding.values() for name in wordings))
    return Strips(
        styles=styles,
        axis=axis,
        half=place_on(axis, 0.5),
        strips=tuple(_strip(result, finding, wordings, styles, axis) for finding, wordings in by_finding.items()),
    )


def wording_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """The macro average by wording, and its spread; the findings stand in the strips."""
    spread = {"deviation": "Standard deviation over wordings", "median": "Median wording", "together": "All together"}
    shown = {name.capitalize(): one for name, one in _wordings(result, MACRO).items()} | {
        words: result.metrics[f"{key}/{MACRO}"] for key, words in spread.items() if f"{key}/{MACRO}" in result.metrics
    }
    return tuple(FigureRow("Macro AUROC", words, *of_decimals(one)) for words, one in shown.items())


def _strip(
    result: BenchmarkResult, finding: str, wordings: dict[str, Estimate], styles: tuple[str, ...], axis: float
) -> Strip:
    low, high, together = (result.metrics[f"{name}/{finding}"].value for name in ("lowest", "highest", "together"))
    deviation = result.metrics.get(f"deviation/{finding}")
    return Strip(
        finding="Macro average" if finding == MACRO else finding,
        dots=tuple(
            Dot(styles.index(_style(name)) % 4 + 1, place_on(axis, one.value), f"{name}: {one.value:.3f}")
            for name, one in wordings.items()
        ),
        low=place_on(axis, low),
        high=place_on(axis, high),
        together=place_on(axis, together),
        span=f"{low:.3f} – {high:.3f}",
        deviation=of_decimals(deviation) if deviation is not None else ("", ""),
        gain=of_decimals(result.metrics[f"gain/{finding}"]),
    )


def _wordings(result: BenchmarkResult, finding: str) -> dict[str, Estimate]:
    """AUROC by wording, of one finding."""
    ends = f"/{finding}"
    return {
        name.removeprefix("auroc/").removesuffix(ends): one
        for name, one in result.metrics.items()
        if name.startswith("auroc/") and name.split("/", maxsplit=2)[2] == finding
    }


def _style(wording: str) -> str:
    return wording.rsplit(" ", maxsplit=1)[0]
