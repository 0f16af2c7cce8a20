"""Read a list that was written as text, such as "['a.jpg', 'b.jpg']", without running anything of it.

Programs that keep lists in CSV files write Python's notation. What is read here is a small part of it: brackets,
strings in either quotes with the usual escapes, numbers, None; four levels deep at most, so that no text takes long.
"""

import re
from collections.abc import Iterator
from typing import TypeAlias

Value: TypeAlias = "str | list[Value]"

MAX_CHARACTERS = 1_000_000
_DEPTH = 4
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<mark>[\[\],])
    |'(?P<single>[^'\\\n]*(?:\\.[^'\\\n]*)*)'
    |"(?P<double>[^"\\\n]*(?:\\.[^"\\\n]*)*)"
    |(?P<bare>None|nan|True|False|[+-]?\d{1,18}(?:\.\d{0,18})?)
    )""",
    re.VERBOSE,
)
_END = re.compile(r"\s*\Z")
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_NOTHING = ("None", "nan")


def looks_like_list(text: str) -> bool:
    """Whether a text starts as a list does."""
    return text.lstrip().startswith("[")


def parse_list(text: str) -> list[Value]:
    """The values of a list that was written as text; numbers stay text, None and nan become "".

    Raises ValueError with a plain reason for anything that is not such a list.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"a list of more than {MAX_CHARACTERS:,} characters")
    done: list[Value] = []
    levels = [done]
    expects_value = True
    for kind, value in _tokens(text):
        if kind == "text" and expects_value:
            levels[-1].append(value)
        elif value == "[" and kind == "mark" and expects_value and len(levels) <= _DEPTH:
            inner: list[Value] = []
            levels[-1].append(inner)
            levels.append(inner)
        elif value == "]" and kind == "mark" and len(levels) > 1:
            levels.pop()
        elif not (value == "," and kind == "mark" and not expects_value and len(levels) > 1):
            raise ValueError("text that is no list of texts")
        expects_value = kind == "mark" and value != "]"
    return _only(done, whole=len(levels) == 1)


def _only(done: list[Value], *, whole: bool) -> list[Value]:
    if not whole or len(done) != 1 or isinstance(done[0], str):
        raise ValueError("text that is no list, or is cut off")
    return done[0]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """The marks and the texts, in order."""
    place = 0
    while not _END.match(text, place):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"text that is no list of texts, from character {place + 1} on")
        place = match.end()
        if match["mark"]:
            yield "mark", match["mark"]
        elif match["bare"]:
            yield "text", "" if match["bare"] in _NOTHING else match["bare"]
        else:
            yield "text", _ESCAPE.sub(_unescaped, match["single"] or match["double"] or "")


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) > 1:
        number = int(escape[1:], 16)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise ValueError("an escape that stands for no character")
        return chr(number)
    if escape not in _SHORT:
        raise ValueError(f"the unknown escape \\{escape}")
    return _SHORT[escape]
