"""Figures of the report as inline SVG, whose colours follow the page (light, dark, print).

matplotlib writes fixed colours; each role has a stand-in colour here that is replaced by a CSS variable in the SVG.
Only Figure objects are used, never pyplot, so nothing global changes.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import numpy as np

from cxr_clip.evaluate.reliability import ReliabilityBin
from cxr_clip.metrics import RocCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#010203", "#020304", "#030405"
SERIES = ("#040506", "#050607", "#060708", "#070809")
ROLES = {INK: "ink", MUTED: "muted", GRID: "grid", **{colour: f"series-{i + 1}" for i, colour in enumerate(SERIES)}}
DASHES = ("-", (0, (3, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "D", "^")
CURVE_POINTS = 200
_SHARES = (0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Series:
    """One line of a plot."""

    label: str
    x: Sequence[float]
    y: Sequence[float]


def roc_panel(curves: Mapping[int, RocCurve], *, name: str) -> str:
    """Draw the ROC curves of one finding by the number of their style of prompts, from 0, as a small square SVG."""
    figure, axes = bare_figure(1.7, 1.7)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.5)
    for index, curve in curves.items():
        false, true = _thinned(curve)
        axes.plot(false, true, color=SERIES[index % 4], linestyle=DASHES[index % 4], linewidth=1.5)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect="equal")
    axes.set_xticklabels(["0", ".5", "1"])
    axes.set_yticklabels(["0", ".5", "1"])
    return inline_svg(figure, f"ROC curve of {name}")


def line_panel(series: Sequence[Series], *, name: str, x_label: str) -> str:
    """Draw lines over training steps as a wide SVG; a single point is drawn as a dot."""
    figure, axes = bare_figure(3.4, 2.0)
    for index, line in enumerate(series):
        marker = "o" if len(line.x) == 1 else None
        axes.plot(line.x, line.y, color=SERIES[index % 4], linestyle=DASHES[index % 4], linewidth=1.5, marker=marker)
    axes.set_xlabel(x_label, color=MUTED, fontsize=8)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
    axes.margins(x=0.02)
    return inline_svg(figure, f"{name} over {x_label}: {', '.join(line.label for line in series)}")


@dataclass(frozen=True)
class RankedPoint:
    """A figure with its interval over a share; `mark` is written beside it."""

    mark: str
    share: float
    value: float
    low: float
    high: float
    series: int


def prevalence_panel(points: Sequence[RankedPoint], bounds: Sequence[float], *, name: str) -> str:
    """Draw AUROC over the logarithm of a share as a wide SVG, lines at 0.5 and at `bounds`; 0 stands left."""
    figure, axes = bare_figure(7.0, 3.0)
    least = min([one.share for one in points if one.share > 0] + list(bounds)) / 1.5
    _share_axis(axes, least, bounds, with_none=any(one.share == 0 for one in points))
    without = np.geomspace(least / 2.4, least / 1.6, sum(one.share == 0 for one in points) + 2)[1:-1].tolist()
    for one in points:
        x, colour = one.share or without.pop(), SERIES[one.series % 4]
        axes.vlines(x, one.low, one.high, color=colour, linewidth=1.3, alpha=0.75)
        axes.plot(x, one.value, MARKERS[one.series % 4], color=colour, markersize=4.5)
        axes.annotate(
            one.mark, (x, one.high), xytext=(0, 3), textcoords="offset points", ha="center", color=INK, fontsize=7
        )
    axes.set_ylabel("AUROC", color=MUTED, fontsize=8)
    return inline_svg(figure, f"{name}: AUROC over prevalence, with intervals")


def _share_axis(axes: "Axes", least: float, bounds: Sequence[float], *, with_none: bool) -> None:
    """A logarithmic axis of shares from `least` to 1, with a place for none left of it."""
    ticks = [one for one in _SHARES if least <= one <= 1]
    axes.set_xscale("log")
    axes.set_xlim((least / 2 if with_none else least) / 1.3, 1)
    axes.set_xticks([*([least / 2] if with_none else []), *ticks])
    axes.set_xticklabels([*(["none"] if with_none else []), *(f"{100 * one:g} %" for one in ticks)])
    axes.minorticks_off()
    axes.axhline(0.5, color=MUTED, linewidth=0.5)
    for bound in bounds:
        axes.axvline(bound, color=GRID, linewidth=1, linestyle=DASHES[1])
    axes.set_xlabel("studies that have the finding", color=MUTED, fontsize=8)


def reliability_panel(bins: Sequence[ReliabilityBin], *, name: str) -> str:
    """Draw the share that has a finding over its probability, with intervals, and below it how many studies a bin has.

    The axes end where the probabilities and intervals do, as those of rare findings are small.
    """
    figure, (shares, counts) = _stacked(1.9, 2.4)
    x, observed = [one.probability for one in bins], [one.observed for one in bins]
    reach = min(1.0, 1.05 * max(*x, *(one.high for one in observed)))
    shares.plot([0, reach], [0, reach], color=MUTED, linewidth=0.5)
    shares.vlines(x, [one.low for one in observed], [one.high for one in observed], color=SERIES[0], linewidth=1.2)
    shares.plot(x, [one.value for one in observed], "o", color=SERIES[0], markersize=3)
    shares.set(xlim=(-0.02 * reach, reach), ylim=(-0.02 * reach, reach))
    shares.tick_params(labelbottom=False)
    counts.vlines(x, 0, [one.n for one in observed], color=MUTED, linewidth=2)
    counts.set(ylim=(0, None), yticks=[0, max(one.n for one in observed)])
    return inline_svg(figure, f"Reliability of {name}: share over probability, and studies in each bin")


def bare_figure(width: float, height: float) -> "tuple[Figure, Axes]":
    """Make bare axes with quiet ticks; sizes in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    quieten(axes)
    return figure, axes


def _stacked(width: float, height: float) -> "tuple[Figure, tuple[Axes, Axes]]":
    """Make high axes above low ones that share the axis to the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=[4, 1])
    quieten(upper)
    quieten(lower)
    return figure, (upper, lower)


def quieten(axes: "Axes") -> None:
    """Leave of the frame two thin lines, and of the ticks their words."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=MUTED, labelsize=8, length=0, pad=4)


def _thinned(curve: RocCurve) -> tuple[Any, Any]:
    """Keep at most CURVE_POINTS corners of a curve, the ends among them: the drawing is two inches wide."""
    keep = np.unique(np.linspace(0, len(curve.false_positive_rate) - 1, CURVE_POINTS).astype(int))
    return curve.false_positive_rate[keep], curve.true_positive_rate[keep]


def inline_svg(figure: "Figure", title: str) -> str:
    """Write a figure as an SVG element with a title, without fixed size, with colours as CSS variables."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    buffer = io.StringIO()
    # The salt keeps ids apart between the figures of one page and equal from run to run.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "font.family": "sans-serif"}):
        FigureCanvasSVG(figure).print_svg(
            buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return _inlined(buffer.getvalue(), title)


def _inlined(document: str, title: str) -> str:
    """Turn an SVG file into an element of a page: no style or id that would leak, no fixed size, colours by role."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="(?:figure|axes|patch|text|line2d|xtick|ytick|matplotlib)[^"]*"', "", svg)
    svg = re.sub(r" font-family: [^;]*;", "", svg)
    for colour, role in ROLES.items():
        svg = svg.replace(colour, f"var(--{role})")
    head, rest = svg.split(">", maxsplit=1)
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label={quoteattr(title)}>{rest}'
