"""Arms beside each other as inline SVG: what each reached with every seed, and how far it is from another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxr_clip.evaluate.plots import DASHES, GRID, INK, MUTED, SERIES, bare_figure, inline_svg, quieten
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.experiments.comparison import Compared, Contrast
from cxr_clip.experiments.measured import FIGURES
from cxr_clip.experiments.words import told_apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class CurvePoint:
    """One place of a learning curve: `amount` of data or compute, the mean over seeds, and every seed's value."""

    amount: int
    mean: Estimate
    of_seeds: tuple[float, ...]


def arms_panel(compared: Compared, figure: str) -> str:
    """Draw one figure: to the left every arm with its seeds, interval and chance, to the right its differences."""
    from matplotlib.figure import Figure

    contrasts = [one for one in compared.contrasts if one.figure == figure]
    arms = [arm for arm in compared.arms if figure in arm.means]
    rows = max(len(arms), len(contrasts))
    drawing = Figure(figsize=(9.2, 0.8 + 0.34 * rows), layout="constrained")
    left, right = drawing.subplots(1, 2, gridspec_kw={"wspace": 0.05})
    _values(left, [(arm.name, arm.means[figure].estimate, arm.of_seeds[figure]) for arm in arms], rows)
    if figure in compared.chance:
        left.axvline(compared.chance[figure], color=MUTED, linewidth=0.8, linestyle=DASHES[2])
    left.set_xlabel("mean over seeds (dots: each seed; dotted line: chance)", color=MUTED, fontsize=8)
    _differences(right, contrasts, rows)
    return inline_svg(drawing, f"{FIGURES[figure]} of every arm, and its differences")


def _values(axes: "Axes", rows: Sequence[tuple[str, Estimate, tuple[float, ...]]], height: int) -> None:
    _rows(axes, [name for name, *_ in rows], height)
    for place, (_, mean, of_seeds) in enumerate(rows):
        axes.hlines(place, mean.low, mean.high, color=SERIES[0], linewidth=1.6)
        axes.plot(of_seeds, [place + 0.27] * len(of_seeds), "o", color=MUTED, markersize=2)
        axes.plot([mean.value], [place], "o", color=SERIES[0], markersize=5)


def _differences(axes: "Axes", contrasts: Sequence[Contrast], height: int) -> None:
    _rows(axes, [f"{one.arm} − {one.against}" for one in contrasts], height)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    for place, one in enumerate(contrasts):
        change, apart = one.difference.estimate, told_apart(one)
        colour = MUTED if not apart else SERIES[0] if change.value > 0 else SERIES[1]
        axes.hlines(place, change.low, change.high, color=colour, linewidth=1.6)
        axes.plot([change.value], [place], "o" if apart else "D", color=colour, markersize=5 if apart else 4)
    axes.set_xlabel("difference, 95 % interval", color=MUTED, fontsize=8)


def _rows(axes: "Axes", names: Sequence[str], height: int) -> None:
    """Name rows from the top; both halves of a drawing have the same height."""
    quieten(axes)
    axes.set_ylim(height - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [_short(name) for name in names], color=INK)
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.6)


def _short(name: str, most: int = 60) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def curve_panel(lines: dict[str, Sequence[CurvePoint]], *, figure: str, x_label: str, chance: float | None) -> str:
    """Draw one figure over the amount of data or compute, which doubles from tick to tick; a bar is the interval."""
    drawing, axes = bare_figure(4.4, 2.7)
    for index, points in enumerate(lines.values()):
        x = [point.amount for point in points]
        colour = SERIES[index % 4]
        axes.plot(x, [p.mean.value for p in points], color=colour, linestyle=DASHES[index % 4], linewidth=1.5)
        axes.vlines(x, [p.mean.low for p in points], [p.mean.high for p in points], color=colour, linewidth=1.2)
        axes.plot(x, [p.mean.value for p in points], "o", color=colour, markersize=4)
        for point in points:
            axes.plot([point.amount] * len(point.of_seeds), point.of_seeds, ".", color=MUTED, markersize=2)
    if chance is not None:
        axes.axhline(chance, color=MUTED, linewidth=0.8, linestyle=DASHES[2])
    axes.set_xscale("log", base=2)
    amounts = sorted({point.amount for points in lines.values() for point in points})
    axes.set_xticks(amounts, [f"{amount:,}" for amount in amounts])
    axes.minorticks_off()
    axes.set_xlabel(x_label, color=MUTED, fontsize=8)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
    return inline_svg(drawing, f"{FIGURES[figure]} over {x_label}")
