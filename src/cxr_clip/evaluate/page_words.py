"""Rows of the report page on the words of prompts: how far figures depend on them, and which opposites are told."""

from collections.abc import Iterator, Mapping

from cxr_clip.evaluate.figure_rows import FigureRow
from cxr_clip.evaluate.page import of_decimals, of_hundred, of_percent
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.statistics import Estimate

_MACRO = "macro"
_SHARES = {
    "negation": ("Present against absent", 1 / 2),
    "uncertainty": ("Doubt between present and absent", 1 / 6),
    "side": ("Left against right", 1 / 2),
}
_AT_A_TERMINAL = {
    "wording": ("deviation/", "together/", "gain/"),
    "meaning": ("negation/", "uncertainty/", "side/", "severity/"),
}
_TEXTS = {
    "text_negation": "Cosine of a sentence with its denial",
    "text_paraphrase": "Cosine of a sentence with other words for it",
    "text_paraphrase_nearer": "How often other words are nearer than the denial",
}


def wording_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """The macro average by wording and its spread; then of each finding its range, its spread, and the gain."""
    if not result.metrics:
        return ()
    rows = [
        FigureRow("Macro AUROC", name.split("/")[1].capitalize(), *of_decimals(one))
        for name, one in result.metrics.items()
        if name.startswith("auroc/") and name.endswith(f"/{_MACRO}")
    ]
    spread = {"deviation": "Standard deviation over wordings", "median": "Median wording", "together": "All together"}
    rows += [
        FigureRow("Macro AUROC", words, *of_decimals(result.metrics[f"{key}/{_MACRO}"]))
        for key, words in spread.items()
        if f"{key}/{_MACRO}" in result.metrics
    ]
    rows += [
        FigureRow("AUROC, worst to best wording", _named(finding), f"{low.value:.3f} – {high.value:.3f}", "")
        for finding, low in _of(result, "lowest")
        for high in [result.metrics[f"highest/{finding}"]]
    ]
    for key, words in {
        "deviation": "AUROC, standard deviation over wordings",
        "gain": "AUROC, all wordings together minus the median one",
    }.items():
        rows += [FigureRow(words, _named(finding), *of_decimals(one)) for finding, one in _of(result, key)]
    return tuple(rows)


def meaning_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """Each opposite that was asked for, the mean over findings first, next to chance; then the texts alone."""
    rows = [
        FigureRow(words, _named(finding), *of_percent(one), of_hundred(chance), f"{one.value / chance:.1f} ×")
        for key, (words, chance) in _SHARES.items()
        for finding, one in _of(result, key)
    ]
    rows += [
        FigureRow("Little against much, Spearman", _named(finding), *of_decimals(one), "0.000")
        for finding, one in _of(result, "severity")
    ]
    for key, words in _TEXTS.items():
        if one := result.metrics.get(f"{key}/{_MACRO}"):
            in_words = of_hundred(one.value) if key.endswith("nearer") else f"{one.value:.3f}"
            rows.append(FigureRow("Texts alone, mean over findings", words, in_words, ""))
    return tuple(rows)


def at_a_terminal(result: BenchmarkResult, metrics: Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    """The figures of a benchmark that a terminal has room for: the macro averages, and what is asked first."""
    kept = _AT_A_TERMINAL.get(result.name.split("/")[0])
    if kept is None:
        return metrics
    return {name: one for name, one in metrics.items() if name.endswith(f"/{_MACRO}") or name.startswith(kept)}


def _of(result: BenchmarkResult, figure: str) -> Iterator[tuple[str, Estimate]]:
    """The findings that have a figure, with it; the macro average too."""
    for name, one in result.metrics.items():
        key, finding = name.split("/", maxsplit=1)
        if key == figure:
            yield finding, one


def _named(finding: str) -> str:
    return "Macro average" if finding == _MACRO else finding
