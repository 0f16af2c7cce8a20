"""Radiology reports: free or labelled text in, named and cleaned sections out."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cxr_clip.data.masks import clean_text
from cxr_clip.data.sentences import shuffle_sentences, some_sentences, split_sentences

__all__ = [
    "REPORT_SECTIONS",
    "sections_from_labelled",
    "shuffle_sentences",
    "some_sentences",
    "split_sections",
    "split_sentences",
]

_FINDINGS = "findings"
_IMPRESSION = "impression"
REPORT_SECTIONS = (_FINDINGS, _IMPRESSION)
# Below a header that names the picture only ("PA AND LATERAL VIEWS OF THE CHEST:"); findings if nothing else is.
_VIEWS = "examination of the chest"
_LEAD = "lead"  # text before the first header
_PREAMBLE = ("examination", "indication", "history", "technique", "comparison")

_SPELLINGS = {
    _FINDINGS: "finding, findings, findings and impression, findings/impression, findings & impression, "
    "impression and findings, impression/findings, report",
    _IMPRESSION: "impression, impressions, conclusion, conclusions, opinion, impression and recommendation, "
    "impression and recommendations, impression/recommendation",
    "comparison": "comparison, comparisons, comparison study, comparison studies, comparison exam",
    "indication": "indication, indications, clinical indication, clinical indications, clinical information, "
    "reason for exam, reason for the exam, reason for examination, reason for study",
    "history": "history, clinical history, patient history",
    "technique": "technique, procedure, procedure comments",
    "examination": "exam, examination, study, type of examination",
    "recommendation": "recommendation, recommendations",
    "notification": "notification, notifications",
    "addendum": "addendum",
    "wet read": "wet read, wet reading",
    "end of impression": "end of impression",
    "summary": "summary",
}
_SECTION_OF = {spelling: section for section, listed in _SPELLINGS.items() for spelling in listed.split(", ")}
_LONGEST_FIRST = sorted(_SECTION_OF, key=len, reverse=True)
_KNOWN = "|".join(spelling.replace(" ", r"\s+") for spelling in _LONGEST_FIRST)
_KNOWN_CAPITALS = "|".join(spelling.upper().replace(" ", r"\s+") for spelling in _LONGEST_FIRST)
# A known header in capitals anywhere, a known header in any case or any header in capitals at the start of a line.
_HEADER = re.compile(
    rf"(?<![\w/-])(?P<known>{_KNOWN_CAPITALS})[ \t]*:"
    rf"|^[ \t]*(?P<line>(?i:{_KNOWN}))[ \t]*:"
    r"|^[ \t]*(?P<capitals>[A-Z][A-Z0-9 ,.()/&'-]{2,60}?)[ \t]*:(?!\d)",
    re.MULTILINE,
)
_TITLE_LINE = re.compile(r"^[ \t]*(?:FINAL REPORT|_{10,})[ \t]*$", re.MULTILINE)
_VIEW_WORDS = re.compile(r"\b(?:CHEST|VIEWS?|RADIOGRAPHS?|FRONTAL|LATERAL|PORTABLE|UPRIGHT|SUPINE|AP|PA)\b")
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
_SAYS_NOTHING = re.compile(r"(?i)(?:none|n/?a|nil|(?:as|see) (?:above|below|findings|impression|report))\W*")


@dataclass(frozen=True)
class _Block:
    """A stretch of a report below one header."""

    section: str
    text: str


def split_sections(text: str) -> dict[str, str]:
    """The sections of a free-text report, by lower-case name, cleaned; a section that says nothing is absent.

    Headers are known names followed by a colon (in capitals anywhere, in any case at the start of a line) and other
    words in capitals at the start of a line; the latter do not end findings or impression ("LUNGS: clear").
    Conclusion counts as impression, "findings and impression" as findings. A report without a findings header has as
    findings, in this order: what stands below a header that only names the views; what follows the first paragraph
    of the last section before the impression; the full sentences before the first header. A text without any header
    is findings as a whole.
    """
    blocks = list(_blocks(_without_title(text), default=_LEAD))
    if all(block.section == _LEAD for block in blocks):
        return _merged([_Block(_FINDINGS, block.text) for block in blocks])
    if any(block.section == _FINDINGS and _says_something(clean_text(block.text)) for block in blocks):
        return _merged(blocks)
    return _merged(_with_body(blocks))


def sections_from_labelled(pairs: Iterable[tuple[str | None, str | None]]) -> dict[str, str]:
    """The sections of a report whose parts are labelled already, as Open-I's `AbstractText` elements are.

    A header inside a part ("Shortness of breath FINDINGS: ...") still starts its own section; a part without a label
    is findings.
    """
    blocks: list[_Block] = []
    for label, text in pairs:
        name = (label or _FINDINGS).strip().rstrip(":").lower()
        blocks += _blocks(text or "", default=_SECTION_OF.get(name, name))
    return _merged(blocks)


def _without_title(text: str) -> str:
    """The report below its title line; what stands above it (a wet read) goes."""
    below = _TITLE_LINE.split(text)[-1]
    return below if re.search(r"[A-Za-z]", below) else _TITLE_LINE.sub("", text)


def _blocks(text: str, *, default: str) -> Iterator[_Block]:
    """The text cut at its headers; what precedes the first header belongs to `default`."""
    section, start = default, 0
    for match in _HEADER.finditer(text):
        name = _section_name(match, current=section)
        if name is None:
            continue
        yield _Block(section, text[start : match.start()])
        section, start = name, match.end()
    yield _Block(section, text[start:])


def _section_name(match: re.Match[str], *, current: str) -> str | None:
    """The section that a header starts, or None where it is a heading inside the current one."""
    known = match["known"] or match["line"]
    if known is not None:
        return _SECTION_OF[" ".join(known.lower().split())]
    words = " ".join(match["capitals"].split())
    if current in (_FINDINGS, _IMPRESSION, _VIEWS):
        return None
    return _VIEWS if _VIEW_WORDS.search(words) else words.lower()


def _with_body(blocks: Sequence[_Block]) -> list[_Block]:
    """Blocks of a report without findings, with the unheaded body as its findings where there is one."""
    if any(block.section == _VIEWS for block in blocks):
        return [_Block(_FINDINGS if block.section == _VIEWS else block.section, block.text) for block in blocks]
    for place in reversed(range(len(blocks))):
        block = blocks[place]
        head, *body = [paragraph for paragraph in _PARAGRAPH.split(block.text) if paragraph.strip()] or [""]
        if block.section in _PREAMBLE and body:
            parts = [_Block(block.section, head), _Block(_FINDINGS, "\n\n".join(body))]
            return [*blocks[:place], *parts, *blocks[place + 1 :]]
    return [_Block(_FINDINGS, _full_sentences(b.text)) if b.section == _LEAD else b for b in blocks]


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
        if block.section != _LEAD and _says_something(text, section=block.section) and text not in known:
            known.append(text)
    return {section: " ".join(parts) for section, parts in texts.items() if parts}


def _says_something(text: str, *, section: str = _FINDINGS) -> bool:
    if section in REPORT_SECTIONS and _SAYS_NOTHING.fullmatch(text):
        return False
    return re.search(r"[A-Za-z]{2}", text) is not None
