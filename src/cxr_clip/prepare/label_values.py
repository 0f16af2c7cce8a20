"""What is written in the cells of tables about patients: labels, ages, sexes."""

import math
import re

from cxr_clip.study import Certainty

_LABELS: dict[float, Certainty] = {1: Certainty.POSITIVE, 0: Certainty.NEGATIVE, -1: Certainty.UNCERTAIN}
_WORDS = {**{kind.value: kind for kind in Certainty}, "true": Certainty.POSITIVE, "false": Certainty.NEGATIVE}
_NOTHING = ("", "nan", "none", "null", "na", "n/a", "<na>")
_OLDEST = 120.0
_IN_A_YEAR = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.25}


def is_blank(text: str) -> bool:
    """Whether a cell says nothing; "nan" and the like are what programs write for an empty one."""
    return text.lower() in _NOTHING


def certainty_of(text: str) -> Certainty | None:
    """1 positive, 0 negative, -1 uncertain (or these words), blank not mentioned. Raises ValueError for all else."""
    if is_blank(text):
        return None
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return _LABELS[float(text)]
    except (ValueError, KeyError):
        raise ValueError(f"the label {text!r} is none of 1, 0, -1 and blank") from None


def grade_of(text: str) -> int | None:
    """A grade from 0, which is none of a finding; the mean of several readers goes to the nearest whole number.

    Blank is not graded. Raises ValueError for all else.
    """
    if is_blank(text):
        return None
    if re.fullmatch(r"\d{1,3}(\.\d{0,9})?", text) is None:
        raise ValueError(f"the grade {text!r} is no number from 0")
    return math.floor(float(text) + 0.5)


def years_of(text: str) -> float | None:
    """An age in years, from "57", "57.0", "057Y" or "011M"; None where it is missing or none of a person."""
    match = re.fullmatch(r"(\d{1,4}(?:\.\d*)?)([YMWD]?)", text.upper())
    if match is None:
        return None
    years = float(match[1]) / _IN_A_YEAR[match[2]]
    return years if years <= _OLDEST else None


def sex_of(text: str) -> str | None:
    """The letter M or F; None for what is neither."""
    return {"m": "M", "male": "M", "f": "F", "female": "F"}.get(text.lower())
