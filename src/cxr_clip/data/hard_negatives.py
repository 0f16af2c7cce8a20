"""Texts that say one thing otherwise than a study's text: a finding denied or stated, the other side, another grade.

Learning to tell them from the true text is the remedy of Yuksekgonul et al. 2023 ("When and Why Vision-Language Models
Behave like Bags-of-Words", NegCLIP), who exchange words. Here one sentence is exchanged, by what the labeller reads in
it. A denied finding is stated, and a stated one denied, with a sentence of another study's report (of the prompt bank,
where a prompt is exchanged): that a sentence is turned shows in the image alone, never in the wording.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cxr_clip.data.labeller import label_sentence
from cxr_clip.data.sayings import Groups, Sayings, Statement, statements_of, without_heading
from cxr_clip.data.sentences import split_sentences
from cxr_clip.data.sides_and_grades import other_grade, other_side
from cxr_clip.study import Certainty

_OPPOSITE = {Certainty.POSITIVE: Certainty.NEGATIVE, Certainty.NEGATIVE: Certainty.POSITIVE}


class _Placed(NamedTuple):
    """A sentence without its heading, and where it starts in its text."""

    start: int
    sentence: str


@dataclass(frozen=True)
class _Turn:
    """A sentence, what may stand in its place, how often this turn is drawn beside others, and then kept."""

    at: _Placed
    instead: Groups
    weight: float
    kept: float


def turned_texts(text: str, rng: np.random.Generator, sayings: Sayings, *, count: int) -> tuple[str, ...]:
    """Up to `count` different texts, each of which is `text` with the meaning of one sentence turned.

    A statement is drawn in inverse proportion to how many studies make it, and where more studies make it than its
    opposite, it is kept as often as the opposite is to be had. So of each finding as many denials are turned as
    statements, or "no" would be the better answer whatever the image. Only what the text says once and for all is
    turned: of a finding that it both states and denies or doubts, nothing. A text that states nothing certain has no
    turned ones.
    """
    text = " ".join(text.split())
    turns = list(_turns(text, sayings))
    if not turns:
        return ()
    weights = np.array([turn.weight for turn in turns])
    order = rng.choice(len(turns), size=len(turns), replace=False, p=weights / weights.sum())
    turned: dict[str, None] = {}
    for number in order:
        if rng.random() >= turns[number].kept:
            continue
        turned[_with(text, turns[number], rng)] = None
        if len(turned) == count:
            break
    return tuple(turned)


def turned_views(texts: Sequence[str], rng: np.random.Generator, sayings: Sayings, *, count: int) -> tuple[str, ...]:
    """The turned texts of each text, `count` of each one after the other; an empty text where there are fewer."""
    found = [turned_texts(text, rng, sayings, count=count) for text in texts]
    return tuple(text for turned in found for text in (*turned, *[""] * (count - len(turned))))


def _turns(text: str, sayings: Sayings) -> Iterator[_Turn]:
    placed = list(_placed(text))
    prompts = sayings.are_prompts(one.sentence for one in placed)
    said: dict[str, list[Certainty]] = {}
    for one in placed:
        for finding, certainty in label_sentence(one.sentence):
            said.setdefault(finding, []).append(certainty)
    for one in placed:
        statements = statements_of(one.sentence)
        for statement in statements:
            certainties = said[statement[0]]
            if len(set(certainties)) == 1:
                opposite = sayings.of((statement[0], _OPPOSITE[statement[1]]), prompts=prompts)
                alone = len(statements) == len(certainties) == 1
                often = sayings.studies.get(statement, 0) + 1
                seldom = sayings.studies.get((statement[0], _OPPOSITE[statement[1]]), 0) + 1
                kept = min(1.0, seldom / often)
                yield from _turns_of(statement, one, opposite, often=often, kept=kept, alone=alone)


def _turns_of(
    statement: Statement, at: _Placed, opposite: Groups, *, often: int, kept: float, alone: bool
) -> Iterator[_Turn]:
    """The turns of a statement, which share its weight; side and grade of one that is alone in sentence and text."""
    ways = [opposite]
    if alone and statement[1] is Certainty.POSITIVE:
        ways += [((other,),) for other in (other_side(at.sentence), other_grade(at.sentence)) if other is not None]
    ways = [way for way in ways if way]
    return (_Turn(at, way, 1 / (often * len(ways)), kept) for way in ways)


def _with(text: str, turn: _Turn, rng: np.random.Generator) -> str:
    group = turn.instead[int(rng.integers(len(turn.instead)))]
    instead = group[int(rng.integers(len(group)))]
    return text[: turn.at.start] + instead + text[turn.at.start + len(turn.at.sentence) :]


def _placed(text: str) -> Iterator[_Placed]:
    start = 0
    for sentence in split_sentences(text):
        start = text.index(sentence, start)
        start += len(sentence)
        bare = without_heading(sentence)
        yield _Placed(start - len(bare), bare)
