"""The grammar of prompt files: one template with slots stands for many sentences."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from cxr_clip.data.articles import indefinite_article
from cxr_clip.errors import PromptError

_SLOT = re.compile(r"\{([^{}]*)\}")
_ARTICLE = re.compile(r"\ba\(n\)(\s+)(\w+)", re.IGNORECASE)
_MOST_DEPTH = 8
_MOST_SENTENCES = 5000


def expand(template: str, slots: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """All sentences of a template, in order, without repeats.

    `{name}` is any phrase of slot `name`; `{name?}` may also be left out; `{this|that|}` is any of the phrases
    written there, the last one empty. Phrases may hold slots in turn. `a(n)` becomes a or an. The first letter
    becomes a capital, double spaces go.

    Raises PromptError for an unknown slot, a slot that contains itself, stray braces, and more than 5,000 sentences.
    """
    sentences = dict.fromkeys(_polish(raw) for raw in islice(_fill(template, slots, depth=0), _MOST_SENTENCES + 1))
    if len(sentences) > _MOST_SENTENCES:
        raise PromptError(
            f"template {template!r} stands for more than {_MOST_SENTENCES:,} sentences: split it or shorten its slots"
        )
    return tuple(sentences)


def _fill(template: str, slots: Mapping[str, Sequence[str]], *, depth: int) -> Iterator[str]:
    """The template with its first slot filled in each way, and so on for the rest."""
    match = _SLOT.search(template)
    if match is None:
        if "{" in template or "}" in template:
            raise PromptError(f"template {template!r} has a brace without its partner: close it, or remove it")
        yield template
        return
    if depth > _MOST_DEPTH:
        raise PromptError(f"slot {{{match[1]}}} contains itself: take it out of its own phrases")
    rests = list(_fill(template[match.end() :], slots, depth=depth))
    for phrase in _choices(match[1], slots, template=template):
        for filled in _fill(phrase, slots, depth=depth + 1):
            yield from (template[: match.start()] + filled + rest for rest in rests)


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
