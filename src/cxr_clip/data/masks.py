"""De-identified text made readable: what a mask (`XXXX`, `___`) leaves behind is taken out or mended."""

import re

from cxr_clip.data.articles import indefinite_article

_MASK = re.compile(r"\[\*\*.*?\*\*\]|(?<![A-Za-z])[Xx]{3,}(?![A-Za-z])|_{2,}")
# The line break before a list item, with the last letter of the item before it if that has no end mark.
_BULLET = re.compile(r"([\w)])?\s*(?:^|\n)[ \t]*[-*\u2022][ \t]+")
_GAP = "\x00"
_LONGEST_SENTENCE = 1500  # letters; what is longer is no sentence, and mending takes time with the square of the length
_HANGERS = (
    *("of", "on", "at", "from", "to", "dated", "in", "by", "with", "and", "or", "the", "a", "an", "since", "until"),
    *("per", "via", "for", "as", "than", "dr.", "over", "performed", "is", "was", "this"),
)
# Words that say nothing without the masked word after them ("compared to the XXXX.").
_HANGING = rf"(?:\b(?:{'|'.join(map(re.escape, _HANGERS))})[\s{_GAP}]+)*"
_OPENING = re.compile(rf"(^|[.!?]\s+)[\s,;:/-]*{_GAP}[\s,;:/-]*(?:(?:and|or)\s+)?(\w?)")
_TO_BE = "is|are|was|were"
_AUXILIARY = f"{_TO_BE}|has|have|had|may|might|can|could|should|would|must|will"
_LINKING = rf"(?:{_TO_BE}|appears?|remains?|seems?|(?:may|might|can|could|should|would|must|will) be(?: of)?)(?: not)?"
_START = r"(?P<start>(?:^|(?<=[.!?]))\s*(?:\d{1,2}[.)]\s*)?)"
_WORDS = r"(?:[^.!?]|\.(?=\d))*"
_END = r"(?:[.!?]|$)"
_DENIAL = re.compile(rf"(?i){_START}(?P<kept>no\s+\w{_WORDS}?)\s+{_LINKING}\s+{_GAP}\s*{_END}")
# Sentences with a clause that says nothing: it has only the mask ("There is no XXXX."), or the mask is what it is
# about ("The XXXX are intact."), or what it says of that ("The lungs are XXXX.", "The lungs have XXXX since.").
_BROKEN = (
    re.compile(rf"(?i){_START}(?P<kept>(?:there (?:{_TO_BE}) )?(?:no|any|an?|the|some)\s+{_GAP}\s*){_END}"),
    re.compile(
        rf"{_START}(?P<kept>(?:{_WORDS}\b(?:the|an?|that|which)\s+|{_WORDS}\b(?:{_TO_BE})\b{_WORDS}\band\s+|"
        rf"(?:The|An?|These|This|Visualized|Remaining|No)\s+)?)"
        rf"{_GAP}\s+(?:{_AUXILIARY}|appears?|remains?)\b{_WORDS}{_END}"
    ),
    re.compile(rf"(?i){_START}(?P<kept>{_WORDS}?)\s+{_LINKING}\s+{_GAP}\s*{_END}"),
    re.compile(
        rf"(?i){_START}(?P<kept>{_WORDS}?)\s+(?:has|have|had)\s+{_GAP}\s+(?:in the interval|since)\b{_WORDS}{_END}"
    ),
)
# "The heart is XXXX and the lungs are clear."
_FIRST_CLAUSE = re.compile(
    rf"(?i){_START}(?!there\b)[^.!?,]*?\b(?:{_TO_BE}) {_GAP},?\s+(?:and|but)\s+"
    rf"(?P<next>the|there|no)\b(?={_WORDS}\b(?:{_TO_BE})\b)"
)
# What stands before the last clause, if it can stand alone.
_STATEMENT = rf"(?i)(?!(?:or|if|when|however)\b)(.*\b(?:{_TO_BE}|has|have)\b.*)"
_STATEMENTS = (
    re.compile(rf"{_STATEMENT}(?:,|\s(?:which|that|if|when|but|however)\b)"),
    re.compile(rf"{_STATEMENT}\sand\b"),
)


def clean_text(text: str) -> str:
    """A text on one line without masks, still readable as sentences.

    With a mask goes what hangs on it at the end of a sentence ("compared to the XXXX." -> "compared."), a sentence
    that was nothing but masks, and one whose subject or predicate is masked ("The XXXX are intact.", "The lungs are
    XXXX."), which says nothing any more. The items of a bulleted list become sentences. "x-XXXX" is a masked "x-ray".
    """
    text = _BULLET.sub(lambda match: f"{match[1]}. " if match[1] else " ", text)
    text = re.sub(r"(?<![A-Za-z])([Xx])-[Xx]{3,}", r"\1-ray", " ".join(text.split()))
    text = _MASK.sub(_GAP, text)
    if _GAP in text:
        longest = max(map(len, re.split(r"[.!?]", text)))
        text = _close_gaps(text) if longest <= _LONGEST_SENTENCE else text.replace(_GAP, " ")
    text = re.sub(r"([.!?])(?:\s+[.!?,;:]+(?=\s|$))+", r"\1", text)  # "disease. ." and emptied sentences
    text = re.sub(r"\s+([.,;:!?)])", r"\1", text)
    return " ".join(text.split())


def _close_gaps(text: str) -> str:
    """`text` with each gap taken out together with what cannot stand without it."""
    text = re.sub(rf"{_GAP}(?:[\s,/:-]*{_GAP})+", _GAP, text)
    text = re.sub(rf"(?i)\bdrs?\.?\s*{_GAP}|{_GAP}\s*[ap]\.?m\b(?:\.(?=\s+[a-z]))?", _GAP, text)
    text = re.sub(rf"(?i)\(\s*{_HANGING}{_GAP}\s*\)", _GAP, text)
    text = re.sub(rf"(?<!\S)\d{{1,2}}[.)]\s*{_GAP}[\s.]*(?=\d{{1,2}}[.)]\s|$)", "", text)
    text = _close_lists(text)
    text = _DENIAL.sub(r"\g<start>\g<kept>.", text)
    for pattern in _BROKEN:
        text = pattern.sub(_without_broken_clause, text)
    text = _OPENING.sub(lambda match: match[1] + match[2].upper(), text)
    text = re.sub(rf"(?i)\b(no|any) {_GAP}\s+of\s+(?:(?:an?|the)\s+)?", r"\1 ", text)
    text = re.sub(rf"(?i)\b(?:and|or) {_GAP}\s+(is|are|was|were)\b", r"\1", text)
    text = re.sub(rf"(?i)\b(an?) {_GAP}\s+(\w+)", _with_article, text)
    text = re.sub(rf"(?i)\b(?:with|at|by|on|to|from|for|in) {_GAP}\s+(?=(?:with|at|by|on|via)\b)", "", text)
    text = re.sub(rf"(?i){_HANGING}{_GAP}\s*(?=[.;!?,)]|$)", "", text)
    text = re.sub(rf"[-/]?{_GAP}[-/]?", " ", text)
    text = re.sub(r"^[\s.,;:!?/-]+", "", text)
    text = re.sub(r"\(\s+", "(", text)
    text = re.sub(r",(?:\s*,)+", ",", text)
    return re.sub(r",\s*(?=[.;!?]|$)", "", text)


def _close_lists(text: str) -> str:
    """`text` without the masked one of two joined words, and without a masked word that hangs on the subject."""
    text = _FIRST_CLAUSE.sub(lambda match: match["start"] + match["next"].capitalize(), text)
    text = re.sub(rf"(?i)\b(no|for|any|of|without|the) {_GAP}\s+(?:and|or)\s(?:the )?", r"\1 ", text)
    text = re.sub(rf"(?i)\b(?:{_TO_BE}) {_GAP}\s+(?:and|or|but)\s+(?=(?:{_AUXILIARY}|includes?)\b)", "", text)
    text = re.sub(rf"(?i)\b({_TO_BE}) {_GAP}\s+(?:and|or|but)\s", r"\1 ", text)
    return re.sub(rf"(?i)\b(?:of|in|with|at|on|by|to|for) (?:(?:the|an?) )?{_GAP}\s+(?=(?:{_TO_BE})\b)", "", text)


def _without_broken_clause(match: re.Match[str]) -> str:
    """What a sentence says before its broken clause; nothing if that is no sentence either."""
    found = (pattern.match(match["kept"]) for pattern in _STATEMENTS)
    statement = next((one for one in found if one is not None), None)
    return "" if statement is None else f"{match['start']}{statement[1].rstrip(' ,')}."


def _with_article(match: re.Match[str]) -> str:
    article = indefinite_article(match[2])
    return f"{article.capitalize() if match[1][0].isupper() else article} {match[2]}"
