"""The text of a made-up report as MIMIC-CXR has it: a title, capital headers or none, ___ for what was removed."""

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cxr_clip.synthetic.house_styles import Report
from cxr_clip.synthetic.phrases import pick

_WIDTH = 79
_TITLE = "                                 FINAL REPORT"
_RULE = "______________________________________________________________________________"
_VIEW_HEADERS = {
    True: ("PA AND LATERAL VIEWS OF THE CHEST", "CHEST, PA AND LATERAL", "TWO VIEWS OF THE CHEST"),
    False: ("PORTABLE AP CHEST RADIOGRAPH", "SINGLE FRONTAL VIEW OF THE CHEST", "CHEST, AP PORTABLE"),
}


@dataclass(frozen=True)
class MimicReport:
    """A report file: its style, its text, and what stands in its findings and its impression, masks included."""

    style: str
    text: str
    findings: str | None
    impression: str | None


def mimic_report(report: Report, rng: np.random.Generator, *, with_lateral: bool) -> MimicReport:
    """Write a report in one of the forms that MIMIC-CXR has, drawn at random."""
    masked = Report(*(_masked(text) for text in vars(report).values()))
    style = pick(rng, tuple(_STYLES))
    return _STYLES[style](masked, rng, with_lateral)


def _full(report: Report, rng: np.random.Generator, with_lateral: bool) -> MimicReport:
    """Every section under its header."""
    views = "CHEST (PA AND LAT)" if with_lateral else "CHEST (PORTABLE AP)"
    parts = [
        (pick(rng, ("EXAMINATION", "EXAM")), views),
        (pick(rng, ("INDICATION", "HISTORY", "REASON FOR EXAMINATION")), report.indication),
        ("TECHNIQUE", pick(rng, ("Chest PA and lateral", "Upright views of the chest")) if with_lateral else None),
        ("COMPARISON", report.comparison),
        ("FINDINGS", report.findings),
        (pick(rng, ("IMPRESSION", "IMPRESSION", "CONCLUSION")), report.impression),
    ]
    return MimicReport("full", _document(_sections(parts)), report.findings, report.impression)


def _views(report: Report, rng: np.random.Generator, with_lateral: bool) -> MimicReport:
    """The findings stand under a header that only names the views."""
    header = pick(rng, _VIEW_HEADERS[with_lateral])
    parts = [
        ("HISTORY", report.indication),
        ("COMPARISON", report.comparison),
        (header, report.findings),
        ("IMPRESSION", report.impression),
    ]
    return MimicReport("views", _document(_sections(parts)), report.findings, report.impression)


def _joint(report: Report, _rng: np.random.Generator, _with_lateral: bool) -> MimicReport:
    """Findings and impression under one header."""
    body = _joined(report)
    parts = [("INDICATION", report.indication), ("COMPARISON", report.comparison), ("FINDINGS AND IMPRESSION", body)]
    return MimicReport("joint", _document(_sections(parts)), body, None)


def _bare(report: Report, _rng: np.random.Generator, _with_lateral: bool) -> MimicReport:
    """A body without any header."""
    body = _joined(report)
    return MimicReport("bare", _document([_wrapped(body)]), body, None)


def _wet_read(report: Report, rng: np.random.Generator, with_lateral: bool) -> MimicReport:
    """A preliminary reading stands above the final report."""
    final = _full(report, rng, with_lateral)
    reader = f"WET READ: ___ ___ {rng.integers(1, 12)}:{rng.integers(10, 59)} {pick(rng, ('AM', 'PM'))}"
    wet = f"{reader}\n  Preliminary reading, see the final report below.\n{_RULE}\n"
    return MimicReport("wet read", wet + final.text, final.findings, final.impression)


def _addendum(report: Report, rng: np.random.Generator, with_lateral: bool) -> MimicReport:
    """Something was added after the report was signed."""
    final = _full(report, rng, with_lateral)
    added = _wrapped("ADDENDUM:  The results were discussed with Dr. ___ by telephone at ___ on ___.")
    return MimicReport("addendum", f"{final.text}\n{added}\n", final.findings, final.impression)


_STYLES: dict[str, Callable[[Report, np.random.Generator, bool], MimicReport]] = {
    "full": _full,
    "views": _views,
    "joint": _joint,
    "bare": _bare,
    "wet read": _wet_read,
    "addendum": _addendum,
}


def _masked(text: str | None) -> str | None:
    """With the marks of MIMIC-CXR, which hides every age."""
    return None if text is None else re.sub(r"XXXX|\b\d+(?=-year-old)", "___", text)


def _joined(report: Report) -> str:
    return " ".join(text for text in (report.findings, report.impression) if text)


def _sections(parts: list[tuple[str, str | None]]) -> list[str]:
    return [_wrapped(f"{header}:  {text}") for header, text in parts if text]


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=" ", subsequent_indent=" ", break_on_hyphens=False)


def _document(paragraphs: list[str]) -> str:
    return "\n".join([_TITLE, *(f"{paragraph}\n " for paragraph in paragraphs)]) + "\n"
