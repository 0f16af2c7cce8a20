"""The part of the report that says what was trained on, with the figures of the clean part beside those of all."""

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_clip.evaluate.page import of_decimals
from cxr_clip.evaluate.results import BenchmarkResult, Overlap
from cxr_clip.evaluate.statistics import Estimate


@dataclass(frozen=True)
class CleanFigure:
    """One figure of all studies and of the clean ones; `counted` says on how many of what there were it is."""

    name: str
    whole: str
    clean: str
    interval: str
    counted: str


@dataclass(frozen=True)
class OverlapRow:
    """What is known of one benchmark; without figures all of it is clean, or none of it is known to be."""

    name: str
    verdict: str
    known: tuple[str, ...]
    figures: tuple[CleanFigure, ...]


def overlap_rows(results: Sequence[BenchmarkResult]) -> tuple[OverlapRow, ...]:
    """A row for each benchmark that was asked about."""
    return tuple(
        OverlapRow(result.name, result.overlap.verdict, result.overlap.known, clean_figures(result, result.overlap))
        for result in results
        if result.overlap is not None
    )


def clean_figures(result: BenchmarkResult, overlap: Overlap) -> tuple[CleanFigure, ...]:
    """The figures that both have, with what chance gives: in a smaller pool it gives more."""
    return tuple(
        CleanFigure(
            name=name.replace("_", " "),
            whole=of_decimals(result.metrics[name])[0],
            clean=of_decimals(one)[0],
            interval=_between(one),
            counted=f"{one.n:,} of {result.metrics[name].n:,}",
        )
        for name, one in overlap.clean.items()
        if name in result.metrics
    )


def _between(one: Estimate) -> str:
    """The interval; what chance gives is exact and has none."""
    return of_decimals(one)[1] if one.low < one.high else ""
