"""The part of the report page on operating points and calibration, worked out so that its template only lays out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cxr_clip.evaluate.calibrated import CalibratedFinding, CalibratedResult
from cxr_clip.evaluate.figure_rows import FigureRow
from cxr_clip.evaluate.operating_points import OperatingPoint
from cxr_clip.evaluate.page import of_decimals
from cxr_clip.evaluate.plots import reliability_panel
from cxr_clip.evaluate.statistics import Estimate

_AT = {"": "At Youden's thresholds", "_at_best_f1": "At the thresholds of the best F1 on validation"}
_ANSWERED = {"micro_f1": "Micro F1", "macro_f1": "Macro F1", "exact_match": "All findings of a study right"}
_RANKED = {"coverage_error": "Coverage error", "ranking_precision": "Label-ranking average precision"}


@dataclass(frozen=True)
class Cell:
    """A figure that a threshold was chosen for, with the rate it was chosen at as that came out here."""

    value: str
    interval: str
    beside: str


@dataclass(frozen=True)
class CalibratedRow:
    """One finding: its operating points in the order of the columns, its errors and its prediction sets."""

    finding: str
    positives: int
    n: int
    points: tuple[Cell, ...]
    brier: str
    brier_own: str
    error: str
    error_own: str
    positive_kept: Cell
    negative_kept: Cell
    undecided: str


@dataclass(frozen=True)
class ReliabilityPanel:
    """One reliability plot; the SVG is ours and not escaped."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Section:
    """The whole part; `level` is that of the prediction sets in percent."""

    benchmark: str
    origin: str
    protocol: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[CalibratedRow, ...]
    panels: tuple[ReliabilityPanel, ...]
    together: tuple[FigureRow, ...]
    level: str


def section(result: CalibratedResult) -> Section:
    """Lay out a calibrated benchmark, its findings in the order of the result."""
    return Section(
        benchmark=result.benchmark,
        origin=result.protocol[0],
        protocol=result.protocol,
        columns=(
            "Sensitivity at 90\N{NO-BREAK SPACE}% specificity",
            "Sensitivity at 95\N{NO-BREAK SPACE}% specificity",
            "Specificity at 90\N{NO-BREAK SPACE}% sensitivity",
            "Specificity at 95\N{NO-BREAK SPACE}% sensitivity",
            "Youden: sensitivity",
        ),
        rows=tuple(_row(one) for one in result.findings),
        panels=tuple(
            ReliabilityPanel(one.finding, reliability_panel(one.bins, name=one.finding)) for one in result.findings
        ),
        together=tuple(_together(result.together)),
        level=f"{100 * result.findings[0].sets.level:.0f}\N{NO-BREAK SPACE}%",
    )


def _row(one: CalibratedFinding) -> CalibratedRow:
    points: Mapping[str, OperatingPoint] = {point.rule: point for point in one.points}
    own, fitted = one.fits["own scale"], one.fits["temperature and bias"]
    return CalibratedRow(
        finding=one.finding,
        positives=one.positives,
        n=one.n,
        points=(
            _sensitivity(points["specificity_90"]),
            _sensitivity(points["specificity_95"]),
            _specificity(points["sensitivity_90"]),
            _specificity(points["sensitivity_95"]),
            _sensitivity(points["youden"]),
        ),
        brier=f"{fitted.brier:.3f}",
        brier_own=f"{own.brier:.3f}",
        error=f"{fitted.error_equal_mass:.3f}",
        error_own=f"{own.error_equal_mass:.3f}",
        positive_kept=_cell(one.sets.positive_kept, ""),
        negative_kept=_cell(one.sets.negative_kept, ""),
        undecided=_percent(one.sets.undecided.value),
    )


def _sensitivity(point: OperatingPoint) -> Cell:
    beside = "" if point.specificity is None else f"at specificity {_percent(point.specificity.value)}"
    return _cell(point.sensitivity, beside)


def _specificity(point: OperatingPoint) -> Cell:
    beside = "" if point.sensitivity is None else f"at sensitivity {_percent(point.sensitivity.value)}"
    return _cell(point.specificity, beside)


def _cell(estimate: Estimate | None, beside: str) -> Cell:
    if estimate is None:
        return Cell("–", "", beside)
    return Cell(_percent(estimate.value), f"{100 * estimate.low:.0f} – {_percent(estimate.high)}", beside)


def _together(figures: Mapping[str, Estimate]) -> Iterator[FigureRow]:
    """The answers by each rule, then the order of findings beside what chance gives."""
    for behind, group in _AT.items():
        for name, words in _ANSWERED.items():
            if one := figures.get(f"{name}{behind}"):
                yield FigureRow(group, words, *of_decimals(one))
    for name, words in _RANKED.items():
        if one := figures.get(name):
            chance = f"{figures[f'{name}_chance'].value:.3f}"
            yield FigureRow("Order of the findings of a study", words, *of_decimals(one), chance)


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"
