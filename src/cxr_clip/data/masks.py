"""De-identified text made readable: what a mask (`XXXX`, `___`) leaves behind is taken out or mended."""

import re

from cxr_clip.data.articles import indefinite_article

_MASK = re.compile(r"\[\*\*.*?\*\*\]|(?<![A-Za-z])[Xx]{3,}(?![A-Za-z])|_{2,}")
# The line break before a list item, with the last letter of the item before it if that has no end mark.
_BULLET = re.compile(r"([\w)])?\s*(?:^|\n)[ \t]*[-*\u2022][ \t]+")
_GAP = "\x00"
_HANGERS = (
    *("of", "on", "at", "from", "to", "dated", "in", "by", "with", "and", "or", "the", "a", "an", "since", "until"),
    *("per", "via", "for", "as", "than", "dr.", "over", "performed", "is", "was", "this"),
)
# Words that say nothing without the masked word after them ("compared to the XXXX.").
_HANGING = rf"(?:\b(?:{'|'.join(map(re.escape, _HANGERS))})[\s{_GAP}]+)*"
_OPENING = re.compile(rf"(^|[.!?]\s+)[\s,;:/-]*{_GAP}[\s,;:/-]*(?:(?:and|or)\s+)?(\w?)")
# A sentence whose subject is the masked word.
_WITHOUT_SUBJECT = re.compile(
    rf"((?:^|[.!?])\s*(?:\d{{1,2}}[.)]\s*)?)(?:(?:The|An?|These|This|Visualized|Remaining)\s+)?{_GAP}\s+"
    r"(?:is|are|was|were|has|have|had|appears?|remains?|may|could|would|should)\b(?:[^.!?]|\.(?=\d))*(?:[.!?]|$)"
)


def clean_text(text: str) -> str:
    """A text on one line without masks, still readable as sentences.

    With a mask goes what hangs on it at the end of a sentence ("compared to the XXXX." -> "compared."), a sentence
    that was nothing but masks, and one whose subject is masked ("The XXXX are intact."), which says nothing any more.
    The items of a bulleted list become sentences. "x-XXXX" is a masked "x-ray".
    """
    text = _BULLET.sub(lambda match: f"{match[1]}. " if match[1] else " ", text)
    text = re.sub(r"(?<![A-Za-z])([Xx])-[Xx]{3,}", r"\1-ray", " ".join(text.split()))
    text = _MASK.sub(_GAP, text)
    if _GAP in text:
        text = _close_gaps(text)
    text = re.sub(r"([.!?])(?:\s+[.!?,;:]+(?=\s|$))+", r"\1", text)  # "disease. ." and emptied sentences
    text = re.sub(r"\s+([.,;:!?)])", r"\1", text)
    return " ".join(text.split())


def _close_gaps(text: str) -> str:
    """`text` with each gap taken out together with what cannot stand without it."""
    text = re.sub(rf"{_GAP}(?:[\s,/:-]*{_GAP})+", _GAP, text)
    text = re.sub(rf"(?i)\bdrs?\.?\s*{_GAP}|{_GAP}\s*[ap]\.?m\b(?:\.(?=\s+[a-z]))?", _GAP, text)
    text = re.sub(rf"(?i)\(\s*{_HANGING}{_GAP}\s*\)", _GAP, text)
    text = re.sub(rf"(?<!\S)\d{{1,2}}[.)]\s*{_GAP}[\s.]*(?=\d{{1,2}}[.)]\s|$)", "", text)
    text = _WITHOUT_SUBJECT.sub(lambda match: match[1], text)
    text = _OPENING.sub(lambda match: match[1] + match[2].upper(), text)
    text = re.sub(rf"(?i)\b(no|any) {_GAP}\s+of\s+(?:(?:an?|the)\s+)?", r"\1 ", text)
    text = re.sub(rf"(?i)\b(?:and|or) {_GAP}\s+(is|are|was|were)\b", r"\1", text)
    text = re.sub(rf"(?i)\b(an?) {_GAP}\s+(\w+)", _with_article, text)
    text = re.sub(rf"(?i)\b(?:with|at|by|on|to|from|for|in) {_GAP}\s+(?=(?:with|at|by|on|via)\b)", "", text)
    text = re.sub(rf"(?i){_HANGING}{_GAP}\s*(?=[.;!?,)]|$)", "", text)
    text = re.sub(rf"[-/]?{_GAP}[-/]?", " ", text)
    text = re.sub(r"^[\s.,;:!?/-]+", "", text)
    text = re.sub(r"\(\s+", "(", text)
    return re.sub(r",(?:\s*,)+", ",", text)


def _with_article(match: re.Match[str]) -> str:
    article = indefinite_article(match[2])
    return f"{article.capitalize() if match[1][0].isupper() else article} {match[2]}"
