"""The two files of a comparison: compare.json for programs and a self-contained compare.html for people."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cxr_clip.evaluate.compare import Comparison
from cxr_clip.evaluate.differences import Difference
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.html_pages import render_page
from cxr_clip.whole_files import write_whole

TEMPLATE = "compare.html.j2"
KINDS = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "image_to_text": "Image → text",
    "text_to_image": "Text → image",
}


@dataclass(frozen=True)
class Row:
    """One figure of a table: its places on the axis are in percent, its class says which model it speaks for."""

    name: str
    n: str
    first: str
    second: str
    difference: str
    interval: str
    low: float
    point: float
    high: float
    p: str
    adjusted: str
    speaks_for: str


@dataclass(frozen=True)
class Table:
    """One kind of figure of one benchmark; the axis goes from -`reach` to `reach`."""

    heading: str
    reach: float
    rows: tuple[Row, ...]
    corrected: int
    better: int
    worse: int


def write_comparison(folder: Path, comparison: Comparison, names: tuple[str, str]) -> Path:
    """Write compare.json and compare.html into `folder` and return the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "compare.json", comparison_json(comparison, names))
    return write_whole(folder / "compare.html", comparison_html(comparison, names))


def comparison_json(comparison: Comparison, names: tuple[str, str]) -> str:
    """Return every difference with its interval and p values, as JSON."""
    content = {"first": names[0], "second": names[1], **asdict(comparison), "protocol": protocol(comparison)}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def comparison_html(comparison: Comparison, names: tuple[str, str]) -> str:
    """Return the page."""
    values = {"comparison": comparison, "names": names, "tables": tables(comparison), "protocol": protocol(comparison)}
    return render_page(TEMPLATE, values)


def protocol(comparison: Comparison) -> tuple[str, ...]:
    """Say every choice behind the figures."""
    options = comparison.options
    return (
        "Both models on the same studies with the same labels; a study that one of them lacks is left out. The "
        "difference is the second minus the first.",
        f"Intervals: 95 %, percentile bootstrap, {options.resamples:,} resamples of whole patients (seed "
        f"{options.seed}), drawn once for both models and all figures.",
        "p: two-sided, the level at which that interval just touches 0; the smallest there can be is "
        f"{2 / (options.resamples + 1):.4f}.",
        f"Corrected p: {options.correction.replace('-', ' and ')}, over the findings of one benchmark and one kind of "
        "figure, and over all recalls together. The macro average is one question and is not corrected.",
    )


def tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return a table for each benchmark and kind of figure, in the order of the comparison."""
    families: dict[tuple[str, str], list[Difference]] = {}
    for one in comparison.differences:
        families.setdefault((one.benchmark, one.figure.split("/")[0]), []).append(one)
    return tuple(_table(benchmark, kind, members) for (benchmark, kind), members in families.items())


def _table(benchmark: str, kind: str, members: Sequence[Difference]) -> Table:
    reach = max(0.01, *(abs(end) for one in members for end in (one.difference.low, one.difference.high)))
    rows = tuple(_row(one, reach) for one in members)
    verdicts = [row.speaks_for for row, one in zip(rows, members, strict=True) if one.adjusted is not None]
    return Table(
        heading=f"{KINDS[kind]}, {benchmark}",
        reach=reach,
        rows=rows,
        corrected=len(verdicts),
        better=verdicts.count("second"),
        worse=verdicts.count("first"),
    )


def _row(one: Difference, reach: float) -> Row:
    change, decisive = one.difference, one.p if one.adjusted is None else one.adjusted
    name = one.figure.split("/", maxsplit=1)[1]
    low, point, high = (round(50 + 50 * value / reach, 2) for value in (change.low, change.value, change.high))
    return Row(
        name="Macro average" if name == "macro" else name.replace("recall_at_", "R@"),
        n=f"{change.n:,} {_counted(one)}",
        first=_value(one.first),
        second=_value(one.second),
        difference=signed(change.value),
        interval=f"{signed(change.low)} to {signed(change.high)}",
        low=low,
        point=point,
        high=high,
        p=p_in_words(one.p),
        adjusted="" if one.adjusted is None else p_in_words(one.adjusted),
        speaks_for="neither" if decisive >= 0.05 else "second" if change.value > 0 else "first",
    )


def _counted(one: Difference) -> str:
    """Say what a figure was measured on."""
    if one.figure.endswith("/macro"):
        return "findings"
    return "queries" if "/recall_at_" in one.figure else "studies"


def _value(one: Estimate) -> str:
    return f"{one.value:.3f}"


def signed(value: float) -> str:
    """Write a difference with its sign, the minus as long as the plus."""
    return f"{'−' if round(value, 3) < 0 else '+'}{abs(value):.3f}"


def p_in_words(value: float) -> str:
    """Write a p value to three places; one that is just below 0.05 does not read as 0.05."""
    if value < 0.0005:
        return "< 0.001"
    return "< 0.050" if 0.0495 <= value < 0.05 else f"{value:.3f}"
