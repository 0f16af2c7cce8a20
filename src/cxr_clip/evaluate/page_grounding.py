"""Rows of the report page on grounding: each figure by finding, next to chance, then the controls."""

from cxr_clip.evaluate.figure_rows import FigureRow
from cxr_clip.evaluate.page import of_decimals, of_hundred, of_percent
from cxr_clip.evaluate.results import BenchmarkResult

_CONTROLS = {"": "Its own text", "_wrong_text": "Text of another finding", "_centre": "Middle of the picture, no model"}


def grounding_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """The pointing game by finding; then the macro average of every figure with its controls."""
    rows = []
    for name, one in result.metrics.items():
        key, finding = name.split("/", maxsplit=1)
        if key == "pointing":
            chance = result.metrics[f"pointing_chance/{finding}"].value
            words = "Macro average" if finding == "macro" else finding
            rows.append(
                FigureRow("Pointing game", words, *of_percent(one), of_hundred(chance), f"{one.value / chance:,.1f} ×")
            )
    for key, words in _figures(result).items():
        in_words = of_percent if key == "pointing" else of_decimals
        rows += [
            FigureRow(f"{words}, macro average", control, *in_words(result.metrics[f"{key}{suffix}/macro"]))
            for suffix, control in _CONTROLS.items()
        ]
    return tuple(rows)


def _figures(result: BenchmarkResult) -> dict[str, str]:
    """The figures that were measured, in words, in their order."""
    keys = dict.fromkeys(name.split("/")[0] for name in result.metrics)
    words = {key: f"IoU at {int(key[7:]) / 100:g}" for key in keys if key.startswith("iou_at_") and key[7:].isdigit()}
    words |= {"pointing": "Pointing game", "iou_at_best": "IoU at the best threshold of validation"}
    words["contrast"] = "Contrast"
    return {key: words[key] for key in keys if key in words}
