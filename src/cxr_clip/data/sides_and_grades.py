"""The words by which a report says on which side and how much; a sentence with the other side, or the other grade."""

import re
from collections.abc import Mapping
from types import MappingProxyType

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
    re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE) for words in (_OTHER_SIDE, {**_MUCH_OF, **_LITTLE_OF})
)


def other_side(sentence: str) -> str | None:
    """The sentence about the other side; None where it names no side, or both."""
    said = sentence.lower()
    named = [side for side, words in SIDES.items() if words.search(said)]
    return _exchanged(sentence, _SIDE_WORDS, _OTHER_SIDE) if len(named) == 1 and not BOTH.search(said) else None


def other_grade(sentence: str) -> str | None:
    """The sentence with much for little, or little for much; None where it says neither, or more than one grade."""
    named = [grade for grade, words in GRADES.items() if words.search(sentence.lower())]
    others = {LITTLE: _MUCH_OF, MUCH: _LITTLE_OF}
    return _exchanged(sentence, _GRADE_WORDS, others[named[0]]) if len(named) == 1 and named[0] in others else None


def _exchanged(sentence: str, words: re.Pattern[str], others: Mapping[str, str]) -> str:
    def other(match: re.Match[str]) -> str:
        word = others[match[0].lower()]
        if match[0].isupper():
            return word.upper()
        return word.capitalize() if match[0][0].isupper() else word

    return words.sub(other, sentence)
