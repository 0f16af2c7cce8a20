"""The part of the report that says what was trained on, with the figures of the clean part beside those of all."""

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_clip.evaluate.results import BenchmarkResult, Overlap


@dataclass(frozen=True)
class CleanFigure:
    """One figure of all studies and of the clean ones."""

    name: str
    whole: str
    clean: str
    interval: str


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
    """The figures that both have, but for those of chance."""
    return tuple(
        CleanFigure(
            name=name.replace("_", " "),
            whole=f"{result.metrics[name].value:.3f}",
            clean=f"{one.value:.3f}",
            interval=f"{one.low:.3f} – {one.high:.3f}",
        )
        for name, one in overlap.clean.items()
        if name in result.metrics and not name.endswith("_chance")
    )
