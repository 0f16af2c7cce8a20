"""What the report page shows, worked out so that its template only lays out: tiles, rows and panels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cxr_clip.evaluate.contract import FindingsTask
from cxr_clip.evaluate.plots import Series, line_panel, roc_panel
from cxr_clip.evaluate.results import BenchmarkResult, FindingDetails
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.evaluate.training_log import TrainingCurves

DATA_SETS = {
    "chestxray14": "ChestX-ray14",
    "chexpert_5x200": "CheXpert 5x200",
    "chexpert_5x200_rebuilt": "CheXpert 5x200, rebuilt",
    "mimic_cxr": "MIMIC-CXR",
    "openi": "Open-I",
    "rsna_pneumonia": "RSNA pneumonia",
    "siim_pneumothorax": "SIIM-ACR pneumothorax",
    "vindr_cxr": "VinDr-CXR",
}


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
        return of_hundred(self.positive / max(1, self.positive + self.negative))


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
class Panel:
    """One drawing with a caption; the SVG is ours and not escaped."""

    caption: str
    svg: str
    labels: tuple[str, ...] = ()


def zero_shot_results(results: Sequence[BenchmarkResult]) -> Sequence[BenchmarkResult]:
    """Return the zero-shot results, one for each style of prompts."""
    return [result for result in results if result.name.startswith("zero_shot/")]


def style_of(result: BenchmarkResult) -> str:
    """Return the style of prompts of a zero-shot result, or the variant of a benchmark that is made for a data set."""
    named, task = result.name.split("/")[-1], result.benchmark.task if result.benchmark is not None else None
    made_for_one = result.benchmark is not None and result.benchmark.sources
    return task.style if made_for_one and result.name.count("/") == 1 and isinstance(task, FindingsTask) else named


def is_main(result: BenchmarkResult) -> bool:
    """Whether a result is no variant: of the benchmarks of a data set the first screen shows one of each kind."""
    made_for_one = result.benchmark is not None and result.benchmark.sources
    return not made_for_one or result.name.count("/") == 1


def data_set_of(result: BenchmarkResult) -> str:
    """Return the data set that a benchmark is made for, with a colon behind; nothing for those of any manifest."""
    sources = result.benchmark.sources if result.benchmark is not None else ()
    return f"{DATA_SETS[sources[0]]}: " if sources else ""


def tiles(results: Sequence[BenchmarkResult]) -> tuple[Tile, ...]:
    """Return the headline figures: the macro AUROC of each style, and R@10 of both directions next to chance."""
    shown: list[Tile] = []
    main = [result for result in results if is_main(result)]
    for result in zero_shot_results(main):
        if macro := result.metrics.get("auroc/macro"):
            remark = f"{macro.n} finding{'s' if macro.n != 1 else ''}; chance 0.500{_beside_chance(macro, 0.5)}"
            shown.append(Tile(f"{data_set_of(result)}AUROC, {style_of(result)} prompts", *of_decimals(macro), remark))
    for result in main:
        if accuracy := result.metrics.get("accuracy/macro"):
            chance = result.metrics["accuracy/chance"].value
            remark = f"one class of several; chance {of_hundred(chance)}{_beside_chance(accuracy, chance)}"
            shown.append(Tile(f"{data_set_of(result)}accuracy", *of_percent(accuracy), remark))
        for direction, words in (("image_to_text", "Image → text"), ("text_to_image", "Text → image")):
            if recall := result.metrics.get(f"{direction}/recall_at_10"):
                chance = result.metrics[f"{direction}/recall_at_10_chance"].value
                beside = of_hundred(chance) + _beside_chance(recall, chance)
                remark = f"{recall.value / chance:.1f} × chance ({beside})"
                shown.append(Tile(f"{data_set_of(result)}{words}, R@10", *of_percent(recall), remark))
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
        half=place_on(axis, 0.5),
        macro=_bars("macro", by_style, axis),
        rows=tuple(measured),
        too_few=tuple(row for row in rows if not row.bars),
    )


def roc_panels(results: Sequence[BenchmarkResult], order: Sequence[str]) -> tuple[Panel, ...]:
    """Draw one small ROC panel for each finding, with a curve for each style."""
    by_style = [result for result in zero_shot_results(results) if result.metrics]
    panels: list[Panel] = []
    for finding in order:
        # A finding that a style lacks must not turn the colours of the others.
        curves = {
            number: one.curve
            for number, result in enumerate(by_style)
            for one in result.findings
            if one.finding == finding and one.curve is not None
        }
        panels.append(Panel(caption=finding, svg=roc_panel(curves, name=finding)))
    return tuple(panels)


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
            low, point, high = (place_on(axis, value) for value in (area.low, area.value, area.high))
            bars.append(Bar(index % 4 + 1, low, point, high, *of_decimals(area), *of_decimals(precision)))
    return tuple(bars)


def place_on(axis: float, value: float) -> float:
    """Return where a figure lies between `axis` and 1, in percent."""
    return round(100 * (value - axis) / (1 - axis), 2)


def of_decimals(one: Estimate) -> tuple[str, str]:
    """Write a figure and its interval with three decimals."""
    return _minus(f"{one.value:.3f}"), _between(f"{one.low:.3f}", f"{one.high:.3f}")


def of_percent(one: Estimate) -> tuple[str, str]:
    """Write a share and its interval in percent."""
    return of_hundred(one.value), _between(f"{100 * one.low:.1f}", of_hundred(one.high))


def of_hundred(share: float) -> str:
    """Write a share in percent, with a space that does not break."""
    return _minus(f"{100 * share:.1f}\N{NO-BREAK SPACE}%")


def _between(low: str, high: str) -> str:
    """Write an interval; beside a minus a dash would be read as another one."""
    return f"{_minus(low)} to {_minus(high)}" if low.startswith("-") else f"{low} – {high}"


def _minus(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


def _beside_chance(one: Estimate, chance: float) -> str:
    """Say where a figure cannot be told from chance."""
    return ", inside the interval" if one.low <= chance <= one.high else ""


def of_rank(one: Estimate) -> tuple[str, str]:
    """Write a rank and its interval."""
    return f"{one.value:,.1f}", f"{one.low:,.1f} – {one.high:,.1f}"
