"""How far a cue reaches inside a sentence: which mentions a denial, a doubt or a question is about."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cxr_clip.data.labeller_phrases import Phrases

_LEFT = frozenset(["ignored", "denied", "doubted"])
# How many words may stand between a cue and a mention.
_REACH = {"ignores": 12, "denies": 25, "doubts": 14, "lists": 25, "ignored": 6, "denied": 15, "doubted": 10}
_BETWEEN_REACH = 5
_LISTED = re.compile(r"\b(?:and|or|versus)\b")
_CHOICE = re.compile(r"\b(?:or|nor)\b")
_PREDICATE = re.compile(
    r"\b(?:is|are|was|were|has|have|shows?|with|without|represent\w*|reflect\w*|suggest\w*|consistent|compatible)\b"
)


class Effect(StrEnum):
    """What cues make of a mention."""

    IGNORED = "ignored"
    DENIED = "denied"
    DOUBTED = "doubted"


_EFFECTS = {
    **{"ignores": Effect.IGNORED, "ignored": Effect.IGNORED, "denies": Effect.DENIED, "denied": Effect.DENIED},
    **{"doubts": Effect.DOUBTED, "doubted": Effect.DOUBTED, "lists": Effect.DOUBTED},
}


@dataclass(frozen=True)
class Span:
    """A stretch of a sentence, and what it is: the role of a cue or the kind of a mention."""

    start: int
    end: int
    role: str


def cues_of(sentence: str, phrases: Phrases) -> tuple[Span, ...]:
    """The cues of a sentence in plain form, in their order; none overlap."""
    return tuple(_cue(match, sentence, phrases) for match in phrases.cues.finditer(sentence))


def _cue(match: re.Match[str], sentence: str, phrases: Phrases) -> Span:
    """A cue in its role; one of both sides speaks of what precedes it if nothing follows in its clause."""
    roles = phrases.roles[match.lastgroup or ""]
    if len(roles) > 1:
        nothing_follows = not sentence[match.end() :].lstrip()[:1].isalnum()
        roles = tuple(role for role in roles if (role in _LEFT) == nothing_follows)
    return Span(match.start(), match.end(), roles[0])


def effect_on(
    mention: Span, sentence: str, cues: Sequence[Span], mentions: Sequence[Span], phrases: Phrases
) -> Effect | None:
    """What the cues of a sentence make of a mention, the strongest first: ignored, denied, doubted, or nothing.

    `mentions` are all mentions of the sentence, for those that stand on the other side of "or".
    """
    effects = set(_effects(mention, sentence, cues, phrases))
    if not effects and _is_alternative(mention, sentence, cues, mentions, phrases):
        return Effect.DOUBTED
    return next((effect for effect in Effect if effect in effects), None)


def _effects(mention: Span, sentence: str, cues: Sequence[Span], phrases: Phrases) -> Iterator[Effect]:
    for cue in cues:
        if cue.role in _EFFECTS and _reaches(cue, mention, sentence, phrases):
            yield _EFFECTS[cue.role]


def _reaches(cue: Span, mention: Span, sentence: str, phrases: Phrases) -> bool:
    if cue.start < mention.end and mention.start < cue.end:
        return True
    comes_first = cue.end <= mention.start
    if comes_first == (cue.role in _LEFT):
        return False
    between = _between(cue, mention, sentence)
    if between.count(" ") > _REACH[cue.role] + 1 or phrases.ends.search(between):
        return False
    return _goes_on(cue, between, sentence[mention.start :], phrases) if comes_first else _goes_back(between)


def _between(one: Span, other: Span, sentence: str) -> str:
    first, second = sorted((one, other), key=lambda span: span.start)
    return sentence[first.end : second.start]


def _goes_on(cue: Span, between: str, rest: str, phrases: Phrases) -> bool:
    """Whether what a cue says still holds after `between`; a new statement after a comma or "and" ends it."""
    if cue.role == "lists":
        return True
    if cue.role in ("doubts", "ignores") and "," in between and not _LISTED.search(between + rest):
        return False
    if cue.role == "denies" and phrases.grounds.search(between):
        return False
    openings = list(phrases.openings.finditer(between + rest.split(" ", 1)[0]))
    return not openings or _CHOICE.search(between[openings[-1].start() :] + rest) is not None


def _goes_back(between: str) -> bool:
    """Whether a predicate after `between` speaks of what stands before it: a list does, another statement does not."""
    if "," in between.rstrip(" ,") and not _LISTED.search(between):
        return False
    return _PREDICATE.search(between) is None


def _is_alternative(
    mention: Span, sentence: str, cues: Sequence[Span], mentions: Sequence[Span], phrases: Phrases
) -> bool:
    """Whether "or" or "versus" stands between the mention and another one, or another condition, near by."""
    conditions = [Span(match.start(), match.end(), "") for match in phrases.conditions.finditer(sentence)]
    others = [*mentions, *conditions]
    for cue in cues:
        if cue.role != "between" or _is_in_list(cue, sentence, cues, phrases):
            continue
        if not _is_near(cue, mention, sentence, phrases):
            continue
        before = mention.end <= cue.start
        sides = (other for other in others if (other.end <= cue.start) != before)
        if any(_is_near(cue, other, sentence, phrases) for other in sides):
            return True
    return False


def _is_in_list(cue: Span, sentence: str, cues: Sequence[Span], phrases: Phrases) -> bool:
    """Whether an "or" joins what one cue before it is about ("no change in the effusion or the pneumothorax")."""
    before = (other for other in cues if other.role in ("changes", "denies") and other.end <= cue.start)
    return any(not phrases.ends.search(sentence[other.end : cue.start]) for other in before)


def _is_near(cue: Span, span: Span, sentence: str, phrases: Phrases) -> bool:
    between = _between(cue, span, sentence).rstrip(" ,")
    broken = "," in between or phrases.ends.search(between) or _PREDICATE.search(between)
    return between.count(" ") < _BETWEEN_REACH and not broken
