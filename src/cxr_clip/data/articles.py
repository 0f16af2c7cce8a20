"""The indefinite article of English."""

import re

_CONSONANT_SOUND = re.compile(r"(?:eu|one\b|uni[cfloptqv]|use|usu)", re.IGNORECASE)
_VOWEL_SOUND = re.compile(r"(?:[aeiou]|8|1[18]\b|hour|honest)", re.IGNORECASE)
_NAMED_WITH_A_VOWEL = frozenset("AEFHILMNORSX")  # letters of abbreviations that are spelled out: an NG tube
_SPOKEN_AS_WORDS = frozenset(["PICC", "LAD", "SARS", "MAC"])


def indefinite_article(word: str) -> str:
    """The article "a" or "an", by the sound that the next word begins with."""
    if word.isupper() and len(word) > 1 and word not in _SPOKEN_AS_WORDS:
        return "an" if word[0] in _NAMED_WITH_A_VOWEL else "a"
    return "an" if _VOWEL_SOUND.match(word) and not _CONSONANT_SOUND.match(word) else "a"
