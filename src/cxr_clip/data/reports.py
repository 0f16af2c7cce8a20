"""Radiology reports: free or labelled text in, named and cleaned sections out."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cxr_clip.data.masks import clean_text
from cxr_clip.data.report_headers import (
    ADDENDUM,
    FINDINGS,
    HEADER,
    IMPRESSION,
    NARRATIVE,
    PREAMBLE,
    SIGNATURE,
    VIEWS,
    WET_READ,
    folded,
    section_of,
    started_section,
)
from cxr_clip.data.sentences import shuffle_sentences, some_sentences, split_sentences

__all__ = [
    "REPORT_SECTIONS",
    "sections_from_labelled",
    "shuffle_sentences",
    "some_sentences",
    "split_sections",
    "split_sentences",
]

REPORT_SECTIONS = (FINDINGS, IMPRESSION)
_LEAD = "lead"  # text before the first header
_BODIES = (VIEWS, NARRATIVE)

_TITLE = re.compile(
    r"^(FINAL REPORT|FINAL ADDENDUM|ADDENDUM TO FINAL REPORT|PRELIMINARY REPORT|INFORME FINAL|INFORME DEFINITIVO|"
    r"INFORME PRELIMINAR)$",
    re.MULTILINE,
)
_RULE = re.compile(r"^[_=-]{10,}$", re.MULTILINE)
# What stands first above a final report, with the stamp of who and when on its line.
_OPENING = re.compile(
    r"\s*(?P<kind>WET READ|PRELIMINARY|PROVISIONAL|ADDENDUM|ADENDA)\b[A-Z ]*(?:VERSION[ \t]*)?(?:#?\d\b)?[ \t]*"
    r"(?:\([A-Z]+\)[ \t]*)?:?(?P<stamp>[^\n:]{0,60}\d{1,2}:\d{2}(?:[ \t]*[AP]\.?M\b\.?)?)?"
)
_LINE_BREAK = re.compile(r"(?i)<br\s*/?>")
_BLANK_LINES = re.compile(r"\n{3,}")
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_SAYS_NOTHING = re.compile(
    r"(?i)(?:none|n/?a|nil|ningun[oa]|(?:as|see) (?:above|below|findings|impression|report)|ver (?:arriba|informe))\W*"
)


@dataclass(frozen=True)
class _Block:
    """A stretch of a report below one header."""

    section: str
    text: str


def split_sections(text: str) -> dict[str, str]:
    """The sections of a free-text report, by lower-case name, cleaned; a section that says nothing is absent.

    Headers are known names in English or Spanish (in capitals before a colon anywhere; in any case at the start of a
    line or sentence; alone on a line) and other words in capitals before a colon at the start of a line; the latter do
    not end findings or impression ("LUNGS: clear"). Conclusion counts as impression, "findings and impression" as
    findings. What stands above the title "FINAL REPORT", or below "FINAL ADDENDUM", is a wet read or an addendum.

    A report without a findings header has as findings, in this order: what stands below a header that only names the
    views; what follows the first paragraph of the last section before the impression; the full sentences before the
    first header. A text without any header is findings as a whole, and so is a wet read that is all there is.
    """
    report, beside = _report_and_beside(_lines(text))
    sections = _merged([*_report_blocks(report), *beside])
    if WET_READ in sections and not any(section in sections for section in REPORT_SECTIONS):
        sections[FINDINGS] = sections.pop(WET_READ)
    return sections


def sections_from_labelled(pairs: Iterable[tuple[str | None, str | None]]) -> dict[str, str]:
    """The sections of a report whose parts are labelled already, as Open-I's `AbstractText` elements are.

    A header inside a part ("Shortness of breath FINDINGS: ...") still starts its own section; a part without a label
    is findings.
    """
    blocks: list[_Block] = []
    for label, text in pairs:
        blocks += _blocks(_lines(text or ""), default=section_of(label or FINDINGS))
    return _merged(blocks)


def _lines(text: str) -> str:
    """The text with accents composed, and its lines without indentation and trailing space."""
    composed = _LINE_BREAK.sub("\n", unicodedata.normalize("NFC", text)).replace("\N{NO-BREAK SPACE}", " ")
    return _BLANK_LINES.sub("\n\n", "\n".join(line.strip() for line in composed.splitlines()))


def _report_and_beside(text: str) -> tuple[str, list[_Block]]:
    """The report proper, and the wet reads and addenda that stand around its titles."""
    lead, *titled = _TITLE.split(_RULE.sub("", text))
    parts = [_above(lead)] if titled else [_Block(FINDINGS, lead)]
    for title, body in zip(titled[::2], titled[1::2], strict=True):
        parts.append(_Block(_kind(title), _OPENING.sub("", body, count=1) if "ADDENDUM" in title else body))
    report = "\n\n".join(part.text for part in parts if part.section == FINDINGS)
    if _has_words(report):
        return report, [part for part in parts if part.section in (WET_READ, ADDENDUM)]
    return "\n\n".join(part.text for part in parts), []


def _kind(title: str) -> str:
    if "ADDENDUM" in title:
        return ADDENDUM
    return WET_READ if "PRELIMINAR" in title else FINDINGS


def _above(text: str) -> _Block:
    """What stands above the first title: a wet read, an addendum, or a letterhead that goes."""
    opening = _OPENING.match(text)
    if opening is None:
        return _Block(_LEAD, text)
    return _Block(ADDENDUM if opening["kind"].startswith("AD") else WET_READ, text[opening.end() :])


def _report_blocks(text: str) -> list[_Block]:
    blocks = list(_blocks(text, default=_LEAD))
    if all(block.section in (_LEAD, SIGNATURE) for block in blocks):
        return [_Block(FINDINGS, block.text) for block in blocks if block.section == _LEAD]
    if any(block.section == FINDINGS and _says_something(clean_text(block.text)) for block in blocks):
        return blocks
    return _with_body(blocks)


def _blocks(text: str, *, default: str) -> Iterator[_Block]:
    """The text cut at its headers; what precedes the first header belongs to `default`."""
    section, start = default, 0
    for match in HEADER.finditer(folded(text)):
        name = started_section(match, current=section)
        if name is None:
            continue
        yield _Block(section, text[start : match.start()])
        section, start = name, match.end()
    yield _Block(section, text[start:])


def _with_body(blocks: Sequence[_Block]) -> list[_Block]:
    """Blocks of a report without findings, with the unheaded body as its findings where there is one."""
    if any(block.section in _BODIES and _says_something(clean_text(block.text)) for block in blocks):
        return [_Block(FINDINGS if block.section in _BODIES else block.section, block.text) for block in blocks]
    for place in reversed(range(len(blocks))):
        block = blocks[place]
        head, *body = [paragraph for paragraph in _PARAGRAPH.split(block.text) if paragraph.strip()] or [""]
        if block.section in PREAMBLE and body:
            parts = [_Block(block.section, head), _Block(FINDINGS, "\n\n".join(body))]
            return [*blocks[:place], *parts, *blocks[place + 1 :]]
    return [_Block(FINDINGS, _full_sentences(b.text)) if b.section == _LEAD else b for b in blocks]


def _full_sentences(text: str) -> str:
    """The paragraphs of a text that are sentences, not titles."""
    paragraphs = [clean_text(paragraph) for paragraph in _PARAGRAPH.split(text)]
    return " ".join(p for p in paragraphs if p.endswith(".") and len(p.split()) > 2 and not p.isupper())


def _merged(blocks: Iterable[_Block]) -> dict[str, str]:
    """Cleaned text by section; a section that comes twice is joined, repeats and empty ones left out."""
    texts: dict[str, list[str]] = {}
    for block in blocks:
        text = clean_text(block.text)
        known = texts.setdefault(block.section, [])
        if block.section not in (_LEAD, SIGNATURE) and _says_something(text, section=block.section):
            known.extend([text] if text not in known else [])
    return {section: " ".join(parts) for section, parts in texts.items() if parts}


def _says_something(text: str, *, section: str = FINDINGS) -> bool:
    if section in REPORT_SECTIONS and _SAYS_NOTHING.fullmatch(text):
        return False
    return _has_words(text)


def _has_words(text: str) -> bool:
    return re.search(r"[^\W\d_]{2}", text) is not None
