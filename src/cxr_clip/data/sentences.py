"""Radiology text cut into sentences, and put together in another order, with no model and no download."""

import re
from collections.abc import Iterator

import numpy as np

_END = re.compile(r"[.!?]+[\"')\]]*")
# "1." or "2)" or "(3)" before a word: the number of a list item where its turn has come (see `_items`).
_MARKER = re.compile(r"(?<!\S)\(?(\d{1,2})[.)](?=\s+\S|[A-Z])")
_NEVER_LAST = frozenset(
    ["dr", "drs", "mr", "mrs", "ms", "prof", "st", "vs", "e.g", "i.e", "cf", "approx", "fig", "resp"]
)
_RARELY_LAST = frozenset(["a.m", "p.m", "etc", "al", "jr", "sr"])
_TITLES = frozenset(["dr.", "drs.", "mr.", "mrs.", "ms.", "prof."])
# Words before a number that is not that of a list item, even where its turn has come.
_COUNTED = frozenset(
    ["number", "grade", "type", "stage", "zone", "level", "day", "image", "series", "rib", "x", "and", "or", "to", "of"]
)


def split_sentences(text: str) -> list[str]:
    """The sentences of a text in their order, without the numbers of a numbered list.

    Decimals, abbreviations ("Dr.", "e.g.", "No. 3"), times ("5 a.m.") and ellipses do not end a sentence;
    a full stop without the space after it does. All white space becomes one space; no word is lost.
    """
    return [sentence for item in _items(" ".join(text.split())) for sentence in _sentences(item)]


def shuffle_sentences(text: str, rng: np.random.Generator) -> str:
    """The sentences of a text in random order (every order equally likely), list numbers removed."""
    sentences = [_closed(sentence) for sentence in split_sentences(text)]
    if len(sentences) < 2:
        return " ".join(sentences)
    return " ".join(sentences[index] for index in rng.permutation(len(sentences)))


def some_sentences(text: str, rng: np.random.Generator) -> str:
    """A random number of the sentences of a text, one at least, drawn without repeat and in random order."""
    sentences = [_closed(sentence) for sentence in split_sentences(text)]
    count = int(rng.integers(1, len(sentences) + 1)) if sentences else 0
    return " ".join(sentences[index] for index in rng.permutation(len(sentences))[:count])


def _items(text: str) -> Iterator[str]:
    """The items of a numbered list; a text without numbers is one item."""
    start, due = 0, 1
    for match in _MARKER.finditer(text):
        number = int(match[1])
        if not _is_marker(text, match, due=due):
            continue
        yield text[start : match.start()].strip()
        start, due = match.end(), number + 1
    yield text[start:].strip()


def _is_marker(text: str, match: re.Match[str], *, due: int) -> bool:
    """Whether a number stands for a list item: at the start, or in its turn after a sentence or an unclosed item.

    In a list that has begun one number may be skipped, where the item in between was masked.
    """
    before = text[: match.start()].rstrip()
    if not before:
        return True
    if int(match[1]) not in ((1, due, due + 1) if due > 1 else (1,)):
        return False
    last_word = before.rsplit(" ", 1)[-1]
    if last_word[-1] in ".!?:;":
        return last_word.lower() != "no."
    follows = text[match.end() :].lstrip()
    return due > 1 and int(match[1]) == due and last_word.lower() not in _COUNTED and follows[:1].isupper()


def _sentences(item: str) -> Iterator[str]:
    start = 0
    for match in _END.finditer(item):
        if not _is_end(item, match):
            continue
        sentence = item[start : match.end()].strip()
        start = match.end()
        if sentence:
            yield sentence
    if item[start:].strip():
        yield item[start:].strip()


def _is_end(text: str, match: re.Match[str]) -> bool:
    before, after = text[: match.start()], text[match.end() :]
    if not after.strip():
        return True
    if not after[0].isspace():
        return _lacks_space(before, after)
    words = before.split()
    following = after.lstrip()[0]
    word = words[-1].lstrip("([\"'").lower() if words else ""
    if match[0].startswith("..."):
        return following.isupper()
    if word in _RARELY_LAST:
        return following.isupper()
    if word in ("no", "nos"):
        return not following.isdigit()
    initial = len(words) > 1 and words[-2].lower() in _TITLES and len(word) == 1
    return word not in _NEVER_LAST and not initial


def _lacks_space(before: str, after: str) -> bool:
    """Whether a stop without a space after it ends a sentence: "effusion.The heart", not "2.5" nor "U.S.A"."""
    ends_word = re.search(r"(?:[a-z]{2}|[A-Z]{2}|\d|[)\]%])$", before)
    return bool(ends_word and re.match(r"[A-Z](?:[A-Za-z]|\s)", after))


def _closed(sentence: str) -> str:
    """A sentence with a full stop where it has no end mark, so that it can stand anywhere."""
    return sentence if sentence[-1] in ".!?\"')]" else sentence.rstrip(",;:") + "."
