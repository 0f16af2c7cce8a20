"""How the texts of a training state each finding: the sentences that a turned meaning is said with."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cxr_clip.data.labeller import label_sentence
from cxr_clip.data.prompts import PromptBank
from cxr_clip.data.reports import REPORT_SECTIONS
from cxr_clip.data.sentences import split_sentences
from cxr_clip.study import Certainty, Study

# So many studies of a source are read, and so many sentences kept of a statement: beyond, their mixture has settled.
STUDIES, SENTENCES = 20_000, 500
# A mention of what these include is a mention of them, but its denial is no denial of them.
_INCLUDING = frozenset(["Lung Opacity", "Lung Lesion", "Pleural Other"])
_HEADING = re.compile(r"^[A-Za-z][A-Za-z ,/]{2,40}: (?=\S)")

Statement = tuple[str, Certainty]
Groups = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Sayings:
    """Sentences of reports by what they state, and prompts for the same.

    A group of sentences is drawn first, then one of its sentences, as in a `PromptBank`. `silent` are findings that
    nothing is to state.
    """

    reported: Mapping[Statement, tuple[str, ...]]
    bank: PromptBank
    silent: frozenset[str] = frozenset()

    def of(self, statement: Statement, *, prompts: bool) -> Groups:
        """The prompts that state this, or the sentences of reports; there may be none."""
        if statement[0] in self.silent:
            return ()
        if prompts:
            return self.bank.groups.get(statement, ())
        reported = self.reported.get(statement, ())
        return (reported,) if reported else ()

    def are_prompts(self, sentences: Iterable[str]) -> bool:
        """Whether a text of these sentences is a prompt report."""
        return all(sentence in self._prompts for sentence in sentences)

    @cached_property
    def _prompts(self) -> frozenset[str]:
        return self.bank.all_sentences()


def statements_of(sentence: str) -> tuple[Statement, ...]:
    """What a sentence says is there, or what it says is not; nothing where it says both, or is in doubt."""
    said = label_sentence(sentence)
    kinds = {certainty for _, certainty in said}
    if len(kinds) != 1 or Certainty.UNCERTAIN in kinds:
        return ()
    return said if len(said) == 1 else tuple(one for one in said if one[0] not in _INCLUDING)


def without_heading(sentence: str) -> str:
    """The sentence without the name of its part of the report ("Lungs: "), where it states the same without it."""
    bare = _HEADING.sub("", sentence)
    return bare if statements_of(bare) == statements_of(sentence) else sentence


def collect_sayings(studies: Sequence[Study], bank: PromptBank, *, silent: frozenset[str] = frozenset()) -> Sayings:
    """Read the reports of up to STUDIES studies.

    Which studies are read, and which sentences kept, depends on the studies and their order alone.
    """
    reported: dict[Statement, list[str]] = {}
    for place in np.random.default_rng(0).permutation(len(studies))[:STUDIES]:
        for statement, sentence in _said(studies[int(place)]):
            kept = reported.setdefault(statement, [])
            if len(kept) < SENTENCES:
                kept.append(sentence)
    return Sayings({statement: tuple(kept) for statement, kept in reported.items()}, bank, silent)


def _said(study: Study) -> Iterator[tuple[Statement, str]]:
    for section in REPORT_SECTIONS:
        for sentence in split_sentences(study.sections.get(section, "")):
            for statement in statements_of(sentence):
                yield statement, without_heading(sentence)
