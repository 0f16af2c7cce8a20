"""Statements of a study's texts beside what they do not say: denied for stated, the other side, another grade.

Learning to tell them apart is the remedy of Yuksekgonul et al. 2023 ("When and Why Vision-Language Models Behave like
Bags-of-Words", NegCLIP), who exchange words of whole captions. Here one sentence of a text stands against another one,
by what the labeller reads in it. A denied finding is stated, and a stated one denied, with a sentence of another
study's report, or of the prompt bank where a prompt is turned; of the other side and grade it is the same sentence with
one word exchanged. What is turned is balanced so that the image tells which sentence is true, and the wording does not.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from cxr_clip.data.labeller import label_sentence
from cxr_clip.data.sayings import Groups, Sayings, Statement, statements_of, without_heading
from cxr_clip.data.sentences import split_sentences
from cxr_clip.data.sides_and_grades import other_grade, other_side
from cxr_clip.study import Certainty

_OPPOSITE = {Certainty.POSITIVE: Certainty.NEGATIVE, Certainty.NEGATIVE: Certainty.POSITIVE}


class Exchange(NamedTuple):
    """What a text says of a finding, what the turned sentence says instead, and whether these are prompts."""

    finding: str
    said: str
    instead: str
    prompts: bool = False

    @property
    def reverse(self) -> "Exchange":
        """The exchange the other way round."""
        return self._replace(said=self.instead, instead=self.said)


class _Turn(NamedTuple):
    """A sentence, what it may be turned into, and what that exchanges."""

    sentence: str
    instead: Groups
    exchange: Exchange


@dataclass(frozen=True)
class Turner:
    """Makes hard negatives: up to `count` times a sentence of a text and a turned one, in words of `sayings`.

    What a text states and what it denies are as likely to be turned as each other, whichever of them there is more of.
    `kept`: the share of each exchange that is not passed over, 0 of those that are not in it; None keeps all.
    """

    sayings: Sayings
    count: int
    kept: Mapping[Exchange, float] | None = None

    def __call__(self, texts: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
        """For each text `count` times a sentence and the turned one after it; empty where there are fewer."""
        found: list[str] = []
        for text in texts:
            pairs = self.pairs(text, rng)
            found += [sentence for pair in pairs for sentence in pair]
            found += [""] * (2 * (self.count - len(pairs)))
        return tuple(found)

    def pairs(self, text: str, rng: np.random.Generator) -> list[tuple[str, str]]:
        """Up to `count` times a sentence of a text and one that says the contrary.

        Only what the text says once and for all is turned: of a finding that it both states and denies or doubts,
        nothing. A text that states nothing certain has none.
        """
        drawn = [turn for turn in self._drawn(text, rng) if rng.random() < self._share_kept(turn.exchange)]
        return [(turn.sentence, _one_of(turn.instead, rng)) for turn in drawn]

    def rehearsed(self, texts: Iterable[str]) -> "Turner":
        """The same with `kept` for texts like these.

        An exchange that is more likely over all of them than its reverse is passed over in proportion, so that of each
        finding as many denials are turned as statements: otherwise one of the two would be the better answer whatever
        the image. Reports and prompts are balanced each by themselves. That is exact for one pair of a text.
        """
        likely: dict[Exchange, float] = defaultdict(float)
        for text in texts:
            stated_and_denied = _by_certainty(text, self.sayings)
            for statements in stated_and_denied:
                for ways in statements:
                    for turn in ways:
                        likely[turn.exchange] += 1 / (len(stated_and_denied) * len(statements) * len(ways))
        kept = {one: min(1.0, likely.get(one.reverse, 0.0) / share) for one, share in likely.items()}
        return replace(self, kept=kept)

    def _share_kept(self, exchange: Exchange) -> float:
        return 1.0 if self.kept is None else self.kept.get(exchange, 0.0)

    def _drawn(self, text: str, rng: np.random.Generator) -> Iterator[_Turn]:
        """Up to `count` turns, each of another statement of the text."""
        left = _by_certainty(text, self.sayings)
        for _ in range(self.count):
            there = [statements for statements in left if statements]
            if not there:
                return
            statements = there[int(rng.integers(len(there)))]
            ways = statements.pop(int(rng.integers(len(statements))))
            yield ways[int(rng.integers(len(ways)))]


def _by_certainty(text: str, sayings: Sayings) -> list[list[list[_Turn]]]:
    """The ways to turn each statement of a text: those of what it states, and those of what it denies."""
    found: dict[Certainty, list[list[_Turn]]] = {}
    for statement, ways in _turns(text, sayings):
        found.setdefault(statement[1], []).append(ways)
    return list(found.values())


def _turns(text: str, sayings: Sayings) -> Iterator[tuple[Statement, list[_Turn]]]:
    """What a text states once and for all, and the ways to turn it."""
    sentences = [without_heading(one) for one in split_sentences(" ".join(text.split()))]
    prompts = sayings.are_prompts(sentences)
    said: dict[str, list[Certainty]] = {}
    for one in sentences:
        for finding, certainty in label_sentence(one):
            said.setdefault(finding, []).append(certainty)
    for one in sentences:
        statements = statements_of(one)
        for statement in statements:
            certainties = said[statement[0]]
            if len(set(certainties)) == 1:
                ways = list(_opposites(statement, one, sayings, prompts=prompts))
                if len(statements) == len(certainties) == 1 and statement[1] is Certainty.POSITIVE:
                    ways += _other_words(statement[0], one, prompts=prompts)
                if ways:
                    yield statement, ways


def _opposites(statement: Statement, sentence: str, sayings: Sayings, *, prompts: bool) -> Iterator[_Turn]:
    """The denial of what is stated, the statement of what is denied, where there are words for it."""
    finding, certainty = statement
    opposite = _OPPOSITE[certainty]
    instead = sayings.of((finding, opposite), prompts=prompts)
    if instead:
        yield _Turn(sentence, instead, Exchange(finding, certainty.value, opposite.value, prompts))


def _other_words(finding: str, sentence: str, *, prompts: bool) -> Iterator[_Turn]:
    """The same on the other side, and of another grade; of a sentence that says nothing else of any finding."""
    for exchanged in (other_side(sentence), other_grade(sentence)):
        if exchanged is not None:
            exchange = Exchange(finding, exchanged.said, exchanged.instead, prompts)
            yield _Turn(sentence, ((exchanged.sentence,),), exchange)


def _one_of(groups: Groups, rng: np.random.Generator) -> str:
    group = groups[int(rng.integers(len(groups)))]
    return group[int(rng.integers(len(group)))]
