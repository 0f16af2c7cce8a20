"""What the report page shows, worked out so that its template only lays out: tiles, rows and panels."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate.plots import Series, line_panel, roc_panel
from cxr_clip.evaluate.results import BenchmarkResult, FindingDetails
from cxr_clip.evaluate.retrieval import RECALLS
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.evaluate.training_log import TrainingCurves

THUMBNAIL = 224


@dataclass(frozen=True)
class Tile:
    """One headline figure."""

    label: str
    value: str
    interval: str
    remark: str


@dataclass(frozen=True)
class Bar:
    """One line of a forest plot, in percent of its width, with its figures in words."""

    series: int
    low: float
    point: float
    high: float
    auroc: str
    auroc_interval: str
    average_precision: str
    average_precision_interval: str


@dataclass(frozen=True)
class FindingRow:
    """One finding of the zero-shot table, one bar for each style of prompts; without bars it was not measured."""

    finding: str
    positive: int
    negative: int
    bars: tuple[Bar, ...]

    @property
    def share(self) -> str:
        """The share of studies that have the finding: the average precision of chance."""
        return _of_hundred(self.positive / max(1, self.positive + self.negative))


@dataclass(frozen=True)
class Forest:
    """The zero-shot table; `axis` is where the left edge lies, `half` where chance lies in percent."""

    styles: tuple[str, ...]
    axis: float
    half: float
    macro: tuple[Bar, ...]
    rows: tuple[FindingRow, ...]
    too_few: tuple[FindingRow, ...]


@dataclass(frozen=True)
class RetrievalRow:
    """One figure of the retrieval table."""

    direction: str
    figure: str
    value: str
    interval: str
    chance: str
    times: str


@dataclass(frozen=True)
class Panel:
    """One drawing with a caption; the SVG is ours and not escaped."""

    caption: str
    svg: str
    labels: tuple[str, ...] = ()


def zero_shot_results(results: Sequence[BenchmarkResult]) -> Sequence[BenchmarkResult]:
    """Return the zero-shot results, one for each style of prompts."""
    return [result for result in results if result.name.startswith("zero_shot/")]


def heading(result: BenchmarkResult) -> str:
    """Return the name of a benchmark in words."""
    return "Retrieval" if result.name == "retrieval" else f"Zero-shot findings, {style_of(result)} prompts"


def style_of(result: BenchmarkResult) -> str:
    """Return the style of prompts of a zero-shot result."""
    return result.name.removeprefix("zero_shot/")


def tiles(results: Sequence[BenchmarkResult]) -> tuple[Tile, ...]:
    """Return the headline figures: the macro AUROC of each style, and R@10 of both directions next to chance."""
    shown: list[Tile] = []
    for result in zero_shot_results(results):
        if macro := result.metrics.get("auroc/macro"):
            remark = f"{macro.n} findings; chance 0.500{_beside_chance(macro, 0.5)}"
            shown.append(Tile(f"AUROC, {style_of(result)} prompts", *_decimals(macro), remark))
    for result in results:
        for direction, words in (("image_to_text", "Image → text"), ("text_to_image", "Text → image")):
            if recall := result.metrics.get(f"{direction}/recall_at_10"):
                chance = result.metrics[f"{direction}/recall_at_10_chance"].value
                beside = _of_hundred(chance) + _beside_chance(recall, chance)
                remark = f"{recall.value / chance:.1f} × chance ({beside})"
                shown.append(Tile(f"{words}, R@10", *_percent(recall), remark))
    return tuple(shown)


def forest(results: Sequence[BenchmarkResult]) -> Forest | None:
    """Return the zero-shot table, best findings first; absent where nothing was measured."""
    by_style = [result for result in zero_shot_results(results) if result.metrics]
    if not by_style:
        return None
    lows = [one.low for result in by_style for name, one in result.metrics.items() if name.startswith("auroc/")]
    axis = min(0.4, np.floor(min(lows) * 10) / 10)
    rows = [_row(finding, by_style, axis) for finding in _details(by_style).values()]
    measured = sorted((row for row in rows if row.bars), key=lambda row: -row.bars[0].point)
    return Forest(
        styles=tuple(style_of(result) for result in by_style),
        axis=axis,
        half=_place(0.5, axis),
        macro=_bars("macro", by_style, axis),
        rows=tuple(measured),
        too_few=tuple(row for row in rows if not row.bars),
    )


def roc_panels(results: Sequence[BenchmarkResult], order: Sequence[str]) -> tuple[Panel, ...]:
    """Draw one small ROC panel for each finding, with a curve for each style."""
    panels: list[Panel] = []
    for finding in order:
        curves = {
            style_of(result): one.curve
            for result in zero_shot_results(results)
            for one in result.findings
            if one.finding == finding and one.curve is not None
        }
        panels.append(Panel(caption=finding, svg=roc_panel(curves, name=finding)))
    return tuple(panels)


def retrieval_rows(results: Sequence[BenchmarkResult]) -> tuple[RetrievalRow, ...]:
    """Return the retrieval table: both directions, recalls then ranks, next to chance."""
    figures = {f"recall_at_{k}": f"R@{k}" for k in RECALLS} | {"mean_rank": "Mean rank", "median_rank": "Median rank"}
    rows: list[RetrievalRow] = []
    for metrics in (result.metrics for result in results if "image_to_text/mean_rank" in result.metrics):
        for direction, words in (("image_to_text", "Image → text"), ("text_to_image", "Text → image")):
            for key, name in figures.items():
                one, chance = metrics[f"{direction}/{key}"], metrics[f"{direction}/{key}_chance"]
                is_recall = key.startswith("recall")
                value, interval = _percent(one) if is_recall else _ranks(one)
                times = one.value / chance.value if is_recall else chance.value / one.value
                chance_words = _percent(chance)[0] if is_recall else _ranks(chance)[0]
                rows.append(RetrievalRow(words, name, value, interval, chance_words, f"{times:,.1f} ×"))
    return tuple(rows)


def training_panels(curves: TrainingCurves) -> tuple[Panel, ...]:
    """Draw the losses together, the recalls together, then each other validation figure and the scale alone."""
    groups: list[tuple[str, tuple[Series, ...]]] = [("Loss in training", curves.losses)]
    groups += [("Validation: recall, image → text", curves.recalls)]
    groups += [(f"Validation: {line.label}", (line,)) for line in curves.validation]
    groups += [("Scale (1/temperature)", (curves.scale,))] if curves.scale else []
    return tuple(
        Panel(
            caption=caption,
            svg=line_panel(lines, name=caption, x_label="step"),
            labels=tuple(line.label for line in lines) if len(lines) > 1 else (),
        )
        for caption, lines in groups
        if lines
    )


def thumbnail(image: NDArray[np.uint8]) -> str:
    """Return a small JPEG of a grey image as a data address, its longer side at most THUMBNAIL pixels."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _details(results: Sequence[BenchmarkResult]) -> Mapping[str, FindingDetails]:
    """Return the findings of all styles, each once."""
    return {one.finding: one for result in reversed(results) for one in result.findings}


def _row(details: FindingDetails, results: Sequence[BenchmarkResult], axis: float) -> FindingRow:
    """Make one row of the zero-shot table."""
    return FindingRow(
        finding=details.finding,
        positive=details.positive,
        negative=details.negative,
        bars=_bars(details.finding, results, axis),
    )


def _bars(name: str, results: Sequence[BenchmarkResult], axis: float) -> tuple[Bar, ...]:
    """Make the bars of one finding, one for each style that measured it."""
    bars: list[Bar] = []
    for index, result in enumerate(results):
        if area := result.metrics.get(f"auroc/{name}"):
            precision = result.metrics[f"average_precision/{name}"]
            low, point, high = (_place(value, axis) for value in (area.low, area.value, area.high))
            bars.append(Bar(index % 4 + 1, low, point, high, *_decimals(area), *_decimals(precision)))
    return tuple(bars)


def _place(value: float, axis: float) -> float:
    """Return where a figure lies between `axis` and 1, in percent."""
    return round(100 * (value - axis) / (1 - axis), 2)


def _decimals(one: Estimate) -> tuple[str, str]:
    return f"{one.value:.3f}", f"{one.low:.3f} – {one.high:.3f}"


def _percent(one: Estimate) -> tuple[str, str]:
    return _of_hundred(one.value), f"{100 * one.low:.1f} – {_of_hundred(one.high)}"


def _of_hundred(share: float) -> str:
    """Write a share in percent, with a space that does not break."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _beside_chance(one: Estimate, chance: float) -> str:
    """Say where a figure cannot be told from chance."""
    return ", inside the interval" if one.low <= chance <= one.high else ""


def _ranks(one: Estimate) -> tuple[str, str]:
    return f"{one.value:,.1f}", f"{one.low:,.1f} – {one.high:,.1f}"
