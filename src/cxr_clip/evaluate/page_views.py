"""Views on the report page: each figure with all images and with single views, and what all of them gain."""

from cxr_clip.evaluate.compare_page import p_in_words
from cxr_clip.evaluate.differences import Difference
from cxr_clip.evaluate.figure_rows import FigureRow
from cxr_clip.evaluate.page import of_decimals, of_percent
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.statistics import Estimate, exact

_CHOICES = {"all": "All images", "frontal": "Frontal images alone", "lateral": "Lateral images alone"}
_WAYS = {"image_to_text": "Image → text", "text_to_image": "Text → image"}
AREA_BY_CHANCE = exact(0.5, 0)


def views_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """The macro AUROC and recalls by choice of images with the gains behind them; then the findings."""
    gains = {one.figure: one for one in result.differences}
    rows: list[FigureRow] = []
    for figure in dict.fromkeys(name.rpartition("/")[0] for name in gains):
        chance = result.metrics.get(f"{figure}_chance", AREA_BY_CHANCE)
        rows += [_row(figure, choice, result.metrics[f"{figure}/{choice}"], chance) for choice in _CHOICES]
        rows += [_gain(one, figure) for name, one in gains.items() if name.rpartition("/")[0] == figure]
    for name, one in result.metrics.items():
        figure, _, choice = name.rpartition("/")
        if figure.startswith("auroc/") and figure != "auroc/macro":
            rows.append(_row(figure, choice, one, AREA_BY_CHANCE))
    return tuple(rows)


def _row(figure: str, choice: str, one: Estimate, chance: Estimate) -> FigureRow:
    return FigureRow(_words(figure), _CHOICES[choice], *_shown(figure, one), chance=_shown(figure, chance)[0])


def _gain(one: Difference, figure: str) -> FigureRow:
    other = _CHOICES[one.figure.rpartition("/")[2]].lower()
    value, interval = _shown(figure, one.difference)
    assert one.adjusted is not None, "gains are corrected together"
    words = f"All minus {other}, p {p_in_words(one.p)}, corrected {p_in_words(one.adjusted)}"
    return FigureRow(_words(figure), words, value, interval)


def _shown(figure: str, one: Estimate) -> tuple[str, str]:
    return of_decimals(one) if figure.startswith("auroc/") else of_percent(one)


def _words(figure: str) -> str:
    kind, name = figure.split("/", maxsplit=1)
    if kind == "auroc":
        return "AUROC, macro average" if name == "macro" else f"AUROC, {name}"
    return f"{_WAYS[kind]}, R@{name.removeprefix('recall_at_')}"
