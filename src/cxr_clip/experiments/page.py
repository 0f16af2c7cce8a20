"""The page of an experiment: one file that a radiologist and a reviewer can both read."""

from collections.abc import Sequence
from dataclasses import dataclass

from cxr_clip.evaluate.compare_page import p_in_words
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.experiments.comparison import ArmFigures, Compared, Contrast
from cxr_clip.experiments.first_three import Verdict
from cxr_clip.experiments.learning_curve import DATA, Curve
from cxr_clip.experiments.measured import FIGURES
from cxr_clip.experiments.plots import CurvePoint, arms_panel, curve_panel
from cxr_clip.experiments.words import protocol, signed_interval, summary, told_apart
from cxr_clip.html_pages import render_page

TEMPLATE = "experiment.html.j2"
_AXES = {DATA: ("With more data", "studies trained on"), "compute": ("With more training", "training steps")}


@dataclass(frozen=True)
class Panel:
    """A drawing with its name and, below it, what it says in sentences."""

    name: str
    drawing: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class CurveSection:
    """Learning curves over one thing, a panel for each figure; colours follow the order of the lines."""

    heading: str
    lines: tuple[str, ...]
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Cell:
    """A mean over seeds with its interval."""

    value: str
    interval: str


@dataclass(frozen=True)
class ArmRow:
    """An arm of the table of all figures."""

    name: str
    cells: tuple[Cell, ...]
    studies: str
    steps: str
    minutes: str
    settings: str


@dataclass(frozen=True)
class ContrastRow:
    """A difference; `speaks_for` is first or second where the corrected p value tells the arms apart."""

    arm: str
    against: str
    figure: str
    difference: str
    p: str
    adjusted: str
    speaks_for: str


@dataclass(frozen=True)
class VerdictRow:
    """A claim of the paper and its outcome."""

    claim: str
    pair: str
    difference: str
    p: str
    outcome: str
    speaks_for: str


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    title: str
    lead: tuple[str, ...]
    verdicts: tuple[VerdictRow, ...]
    curves: tuple[CurveSection, ...]
    panels: tuple[Panel, ...]
    figures: tuple[str, ...]
    rows: tuple[ArmRow, ...]
    contrasts: tuple[ContrastRow, ...]
    protocol: tuple[str, ...]


def experiment_html(
    title: str, compared: Compared, *, verdicts: Sequence[Verdict] = (), curves: Sequence[Curve] = ()
) -> str:
    """Return the page: one file without scripts, styles, fonts or pictures from elsewhere."""
    measured = [name for name in FIGURES if any(name in arm.means for arm in compared.arms)]
    seeds = "1 seed" if compared.seeds == 1 else f"{compared.seeds} seeds"
    page = Page(
        title=title,
        lead=(f"{len(compared.arms)} arms, {seeds} each, all measured on the same patients.",),
        verdicts=tuple(_verdict_row(one) for one in verdicts),
        curves=_curve_sections(curves, compared, measured),
        panels=tuple(Panel(FIGURES[name], arms_panel(compared, name), summary(compared, name)) for name in measured),
        figures=tuple(FIGURES[name] for name in measured),
        rows=tuple(_arm_row(arm, measured) for arm in compared.arms),
        contrasts=tuple(_contrast_row(one) for one in compared.contrasts),
        protocol=protocol(compared),
    )
    return render_page(TEMPLATE, {"page": page})


def _curve_sections(curves: Sequence[Curve], compared: Compared, measured: Sequence[str]) -> tuple[CurveSection, ...]:
    sections = []
    for axis, (heading, x_label) in _AXES.items():
        here = [curve for curve in curves if curve.axis == axis]
        if not here:
            continue
        panels = [
            Panel(
                FIGURES[name],
                curve_panel(
                    {curve.line: _points(curve, name) for curve in here},
                    figure=name,
                    x_label=x_label,
                    chance=compared.chance.get(name),
                ),
            )
            for name in measured
        ]
        sections.append(CurveSection(heading, tuple(curve.line for curve in here), tuple(panels)))
    return tuple(sections)


def _points(curve: Curve, figure: str) -> tuple[CurvePoint, ...]:
    return tuple(CurvePoint(amount, arm.means[figure].estimate, arm.of_seeds[figure]) for amount, arm in curve.points)


def _arm_row(arm: ArmFigures, measured: Sequence[str]) -> ArmRow:
    return ArmRow(
        name=arm.name,
        cells=tuple(_cell(arm.means[name].estimate) for name in measured),
        studies=f"{arm.studies:,}",
        steps=f"{arm.steps:,}",
        minutes=f"{arm.processor_seconds / 60:.1f}",
        settings=" ".join(arm.overrides) or "nothing",
    )


def _cell(mean: Estimate) -> Cell:
    return Cell(f"{mean.value:.3f}", f"{mean.low:.3f} to {mean.high:.3f}")


def _contrast_row(one: Contrast) -> ContrastRow:
    return ContrastRow(
        arm=one.arm,
        against=one.against,
        figure=FIGURES[one.figure],
        difference=signed_interval(one.difference.estimate),
        p=p_in_words(one.difference.p),
        adjusted=p_in_words(one.adjusted),
        speaks_for=_speaks_for(one),
    )


def _verdict_row(one: Verdict) -> VerdictRow:
    return VerdictRow(
        claim=one.claim.words,
        pair=f"{FIGURES[one.claim.figure]}, {one.claim.arm} − {one.claim.against}",
        difference=signed_interval(one.contrast.difference.estimate),
        p=p_in_words(one.contrast.adjusted),
        outcome=one.outcome,
        speaks_for=_speaks_for(one.contrast),
    )


def _speaks_for(one: Contrast) -> str:
    if not told_apart(one):
        return "neither"
    return "second" if one.difference.estimate.value > 0 else "first"
