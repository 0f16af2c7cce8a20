"""The words by which a report says on which side and how much; a sentence with the other side, or the other grade."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

LITTLE, MODERATE, MUCH = 0, 1, 2
SIDES = MappingProxyType({"left": re.compile(r"\bleft\b"), "right": re.compile(r"\bright\b")})
BOTH = re.compile(r"\b(?:bilateral(?:ly)?|both|bibasilar|bibasal|biapical)\b")
GRADES = MappingProxyType(
    {
        LITTLE: re.compile(r"\b(?:small|tiny|trace|minimal(?:ly)?|mild(?:ly)?|slight(?:ly)?)\b"),
        MODERATE: re.compile(r"\bmoderate(?:ly)?\b"),
        MUCH: re.compile(r"\b(?:large|severe(?:ly)?|marked(?:ly)?|massive(?:ly)?|extensive(?:ly)?)\b"),
    }
)
_OTHER_SIDE = {"left": "right", "right": "left"}
_MUCH_OF = {
    **{"small": "large", "tiny": "massive", "trace": "large", "minimal": "extensive", "mild": "severe"},
    **{"slight": "marked", "minimally": "extensively", "mildly": "severely", "slightly": "markedly"},
}
_LITTLE_OF = {
    **{"large": "small", "severe": "mild", "marked": "slight", "massive": "tiny", "extensive": "minimal"},
    **{"severely": "mildly", "markedly": "slightly", "massively": "minimally", "extensively": "minimally"},
}
_SIDE_WORDS, _GRADE_WORDS = (
    re.compile(rf"\b(?:(?P<article>an?) )?(?P<word>{'|'.join(words)})\b", re.IGNORECASE)
    for words in (_OTHER_SIDE, {**_MUCH_OF, **_LITTLE_OF})
)


class Exchanged(NamedTuple):
    """A sentence with the other side or grade, and which it was and is: left or right, little or much."""

    sentence: str
    said: str
    instead: str


def other_side(sentence: str) -> Exchanged | None:
    """The sentence about the other side; None where it names no side, or both."""
    named = [side for side, words in SIDES.items() if words.search(sentence.lower())]
    if len(named) != 1 or BOTH.search(sentence.lower()):
        return None
    return Exchanged(_exchanged(sentence, _SIDE_WORDS, _OTHER_SIDE), named[0], _OTHER_SIDE[named[0]])


def other_grade(sentence: str) -> Exchanged | None:
    """The sentence with much for little, or little for much; None where it says neither, or more than one grade."""
    named = [grade for grade, words in GRADES.items() if words.search(sentence.lower())]
    if named == [LITTLE]:
        return Exchanged(_exchanged(sentence, _GRADE_WORDS, _MUCH_OF), "little", "much")
    if named == [MUCH]:
        return Exchanged(_exchanged(sentence, _GRADE_WORDS, _LITTLE_OF), "much", "little")
    return None


def _exchanged(sentence: str, words: re.Pattern[str], others: Mapping[str, str]) -> str:
    """The sentence with the other words, as they were written: capital letters stay, and "a" and "an" fit."""

    def other(match: re.Match[str]) -> str:
        word, article = match["word"], match["article"]
        instead = _written_as(word, others[word.lower()])
        if article is None:
            return instead
        return f"{_written_as(article, 'an' if instead[0].lower() in 'aeiou' else 'a')} {instead}"

    return words.sub(other, sentence)


def _written_as(model: str, word: str) -> str:
    if len(model) > 1 and model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
