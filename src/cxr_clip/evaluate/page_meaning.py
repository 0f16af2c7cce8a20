"""Opposite meanings on the report page: the macro averages beside chance, and a table of the findings."""

from dataclasses import dataclass

from cxr_clip.evaluate.figure_rows import FigureRow
from cxr_clip.evaluate.page import of_decimals, of_hundred, of_percent
from cxr_clip.evaluate.page_wording import MACRO
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.statistics import Estimate

# Shares with what chance gives; then what is no share.
_SHARES = {
    "negation": ("Present against absent", 1 / 2),
    "negation_of_positives": ("Present against absent, positive studies", None),
    "negation_of_negatives": ("Present against absent, negative studies", None),
    "uncertainty": ("Doubt between present and absent", 1 / 6),
    "side": ("Left against right", 1 / 2),
    "text_paraphrase_nearer": ("Texts alone: other words nearer than the denial", 1 / 2),
}
_NUMBERS = {
    "severity": ("Little against much, Spearman", 0.0),
    "text_negation": ("Texts alone: cosine of a sentence with its denial", None),
    "text_paraphrase": ("Texts alone: cosine of a sentence with other words for it", None),
}
_COLUMNS = ("negation", "uncertainty", "side", "severity", "text_paraphrase_nearer")


@dataclass(frozen=True)
class MeaningTable:
    """Figures by finding: a cell is a figure and its interval, each empty where there is none."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


def meaning_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """The mean over findings of each opposite that was asked for, next to chance; then the texts alone."""
    rows: list[FigureRow] = []
    for key, (words, chance) in (_SHARES | _NUMBERS).items():
        if one := result.metrics.get(f"{key}/{MACRO}"):
            beside = "" if chance is None else of_hundred(chance) if key in _SHARES else f"{chance:.3f}"
            times = f"{one.value / chance:.1f} ×" if chance else ""
            rows.append(FigureRow("Mean over findings", words, *_in_words(key, one), beside, times))
    return tuple(rows)


def meaning_table(result: BenchmarkResult) -> MeaningTable | None:
    """The findings with what was asked of each; None where nothing was measured, or for another kind of benchmark."""
    by_finding: dict[str, dict[str, Estimate]] = {}
    for name, one in result.metrics.items():
        key, finding = name.split("/", maxsplit=1)
        if key in _COLUMNS and finding != MACRO:
            by_finding.setdefault(finding, {})[key] = one
    there = [key for key in _COLUMNS if any(key in found for found in by_finding.values())]
    if not there:
        return None
    words = _SHARES | _NUMBERS
    return MeaningTable(
        columns=tuple(words[key][0] for key in there),
        rows=tuple(
            (finding, tuple(_in_words(key, found[key]) if key in found else ("", "") for key in there))
            for finding, found in by_finding.items()
        ),
    )


def _in_words(key: str, one: Estimate) -> tuple[str, str]:
    value, interval = of_percent(one) if key in _SHARES else of_decimals(one)
    return value, interval if one.low < one.high else ""
