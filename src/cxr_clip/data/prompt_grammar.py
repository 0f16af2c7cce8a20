"""The grammar of prompt files: one template with slots stands for many sentences."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

from cxr_clip.data.articles import indefinite_article
from cxr_clip.errors import PromptError

_SLOT = re.compile(r"\{([^{}]*)\}")
_ARTICLE = re.compile(r"\ba\(n\)(\s+)(\w+)", re.IGNORECASE)
_MOST_SENTENCES = 5000


def expand(template: str, slots: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """All sentences of a template, in order, without repeats.

    `{name}` is any phrase of slot `name`; `{name?}` may also be left out; `{this|that|}` is any of the phrases
    written there, the last one empty. Phrases may hold slots in turn. `a(n)` becomes a or an. The first letter
    becomes a capital, double spaces go.

    Raises PromptError for an unknown slot, a slot that contains itself, stray braces, and more than 5,000 sentences
    (counted before the first is made).
    """
    if _count(template, slots, inside=()) > _MOST_SENTENCES:
        raise PromptError(
            f"template {template!r} stands for more than {_MOST_SENTENCES:,} sentences: split it or shorten its slots"
        )
    return tuple(dict.fromkeys(_polish(raw) for raw in _fill(template, slots)))


def _count(template: str, slots: Mapping[str, Sequence[str]], *, inside: tuple[str, ...]) -> int:
    """In how many ways a template can be filled; `inside` names the slots whose phrase it is, from the outside in."""
    if re.search(r"[{}]", _SLOT.sub("", template)):
        raise PromptError(f"template {template!r} has a brace without its partner: close it, or remove it")
    return prod(_count_slot(name, slots, template=template, inside=inside) for name in _SLOT.findall(template))


def _count_slot(name: str, slots: Mapping[str, Sequence[str]], *, template: str, inside: tuple[str, ...]) -> int:
    slot = name.removesuffix("?")
    if slot in inside:
        raise PromptError(f"slot {{{slot}}} contains itself: take it out of its own phrases")
    return sum(_count(phrase, slots, inside=(*inside, slot)) for phrase in _choices(name, slots, template=template))


def _fill(template: str, slots: Mapping[str, Sequence[str]]) -> list[str]:
    """The template with its slots filled in each way, the first slot changing slowest."""
    texts, names = _SLOT.split(template)[::2], _SLOT.findall(template)
    fillings = [
        [filled for phrase in _choices(name, slots, template=template) for filled in _fill(phrase, slots)]
        for name in names
    ]
    return [
        texts[0] + "".join(filled + text for filled, text in zip(chosen, texts[1:], strict=True))
        for chosen in product(*fillings)
    ]


def _choices(name: str, slots: Mapping[str, Sequence[str]], *, template: str) -> list[str]:
    """The phrases that may stand in a slot."""
    if "|" in name:
        return name.split("|")
    optional = name.endswith("?")
    phrases = slots.get(name.removesuffix("?"))
    if phrases is None:
        raise PromptError(
            f"template {template!r} uses slot {{{name}}}, which is not defined: "
            f"define it under `slots`, or use one of {', '.join(sorted(slots)) or 'none'}"
        )
    return [*phrases, ""] if optional else list(phrases)


def _polish(sentence: str) -> str:
    """A sentence with single spaces, none before punctuation, its articles chosen, and a capital first letter."""
    sentence = " ".join(sentence.split())
    sentence = re.sub(r"\s+([.,;:])", r"\1", sentence)
    sentence = _ARTICLE.sub(lambda match: indefinite_article(match[2]) + match[1] + match[2], sentence)
    return sentence[:1].upper() + sentence[1:]
