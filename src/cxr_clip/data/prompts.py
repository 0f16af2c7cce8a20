"""Findings put into words: the prompt bank, prompt reports for training, and the prompts of zero-shot questions."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from types import MappingProxyType

import numpy as np

from cxr_clip.data.findings import NO_FINDING
from cxr_clip.data.prompt_files import read_class_prompts, read_training_prompts, read_zero_shot_prompts
from cxr_clip.errors import PromptError
from cxr_clip.study import Certainty


@dataclass(frozen=True)
class PromptBank:
    """Sentences that state a finding with a certainty, grouped by the template they come from.

    A template is drawn first, then one of its sentences: so a short form ("Cardiomegaly.") is as likely as a template
    with a hundred expansions.
    """

    groups: Mapping[tuple[str, Certainty], tuple[tuple[str, ...], ...]]
    origin: str

    def sentences(self, finding: str, certainty: Certainty) -> tuple[str, ...]:
        """All distinct sentences for a finding and a certainty.

        Raises PromptError where the bank has none.
        """
        return self._flat[self._known(finding, certainty)]

    def all_sentences(self) -> frozenset[str]:
        """Every sentence that the bank can say."""
        return frozenset(sentence for sentences in self._flat.values() for sentence in sentences)

    def draw(self, finding: str, certainty: Certainty, rng: np.random.Generator) -> str:
        """One random sentence for a finding and a certainty.

        Raises PromptError where the bank has none.
        """
        groups = self.groups[self._known(finding, certainty)]
        group = groups[rng.integers(len(groups))]
        return group[rng.integers(len(group))]

    def require(self, pairs: Iterable[tuple[str, Certainty]]) -> None:
        """Check at once that there are sentences for all these findings and certainties.

        Raises PromptError naming all that are missing.
        """
        missing = sorted(set(pairs) - set(self.groups), key=lambda pair: (pair[1].value, pair[0]))
        if missing:
            named = "; ".join(
                f"{certainty.value} for {', '.join(repr(finding) for finding, _ in of_certainty)}"
                for certainty, of_certainty in groupby(missing, key=lambda pair: pair[1])
            )
            raise PromptError(
                f"The prompt bank {self.origin} lacks sentences that the data needs: {named}. "
                "Add these lists to the findings there, or leave the findings out of the manifest."
            )

    @cached_property
    def _flat(self) -> Mapping[tuple[str, Certainty], tuple[str, ...]]:
        return {key: tuple(dict.fromkeys(s for group in groups for s in group)) for key, groups in self.groups.items()}

    def _known(self, finding: str, certainty: Certainty) -> tuple[str, Certainty]:
        if (finding, certainty) in self.groups:
            return finding, certainty
        raise PromptError(
            f"The prompt bank {self.origin} has no {certainty.value} sentences for {finding!r}: "
            f"add `{certainty.value}` to that finding there, or leave the finding out of the manifest."
        )


@dataclass(frozen=True)
class ZeroShotPrompt:
    """The texts that stand for a finding being there, and for it not being there, in a zero-shot question."""

    finding: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]


def load_prompt_bank(path: Path | None = None) -> PromptBank:
    """The project's own prompt bank, or the one in a user's YAML or JSON file.

    The shape is described at the top of `resources/prompts_train.yaml`; `{finding: {pos: [...], neg: [...],
    unc: [...]}}` is read as well.

    Raises PromptError for a malformed file, naming the finding, the key and the mend.
    """
    return _own_bank() if path is None else PromptBank(read_training_prompts(path), origin=str(path))


@lru_cache(maxsize=1)
def _own_bank() -> PromptBank:
    path = _resource("prompts_train.yaml")
    return PromptBank(read_training_prompts(path), origin=path.name)


def load_zero_shot_prompts(style: str = "standard", path: Path | None = None) -> Mapping[str, ZeroShotPrompt]:
    """The zero-shot prompts of one style by finding, from the project's own file or a user's.

    Raises PromptError for a malformed file and for a style that it does not have.
    """
    return _own_zero_shot_prompts(style) if path is None else _zero_shot_prompts(style, path)


@lru_cache
def _own_zero_shot_prompts(style: str) -> Mapping[str, ZeroShotPrompt]:
    return MappingProxyType(_zero_shot_prompts(style, _resource("prompts_zero_shot.yaml")))


def _zero_shot_prompts(style: str, path: Path) -> dict[str, ZeroShotPrompt]:
    read = read_zero_shot_prompts(path, style=style)
    return {finding: ZeroShotPrompt(finding, positive, negative) for finding, (positive, negative) in read.items()}


def load_class_prompts() -> Mapping[str, tuple[str, ...]]:
    """The project's own sets of prompts for one class of several, by finding."""
    return read_class_prompts(_resource("prompts_classes.yaml"))


def write_prompt_report(
    findings: Mapping[str, Certainty], bank: PromptBank, rng: np.random.Generator, *, negatives: int | None
) -> str:
    """A report made of prompts: one random sentence for each finding, in random order (paper section 3.1).

    Every positive and uncertain finding is stated, and `negatives` random negative ones (None: all). Where nothing
    is positive or uncertain, "No Finding" is stated with its own certainty (positive if it has none), so that a
    report is never empty; next to other findings it is stated only if it is positive.

    Raises PromptError where the bank has no sentence for a finding.
    """
    stated = _stated(findings, rng, negatives=negatives)
    sentences = [bank.draw(finding, certainty, rng) for finding, certainty in stated.items()]
    return " ".join(sentences[index] for index in rng.permutation(len(sentences)))


def sayable(findings: Mapping[str, Certainty], *, negatives: int | None) -> Iterator[tuple[str, Certainty]]:
    """All that prompt reports of these findings may state, whatever is drawn (see `write_prompt_report`)."""
    others = [(name, certainty) for name, certainty in findings.items() if name != NO_FINDING]
    absent = [pair for pair in others if pair[1] is Certainty.NEGATIVE]
    yield from (pair for pair in others if pair not in absent)
    yield from absent if negatives != 0 else ()
    if len(absent) == len(others) or findings.get(NO_FINDING) is Certainty.POSITIVE:
        yield NO_FINDING, findings.get(NO_FINDING, Certainty.POSITIVE)


def _stated(
    findings: Mapping[str, Certainty], rng: np.random.Generator, *, negatives: int | None
) -> dict[str, Certainty]:
    """The findings that a prompt report states; depends on what `findings` says, not on its order."""
    no_finding = findings.get(NO_FINDING, Certainty.POSITIVE)
    others = {finding: findings[finding] for finding in sorted(findings) if finding != NO_FINDING}
    stated: dict[str, Certainty] = {
        finding: certainty for finding, certainty in others.items() if certainty is not Certainty.NEGATIVE
    }
    if not stated or findings.get(NO_FINDING) is Certainty.POSITIVE:
        stated[NO_FINDING] = no_finding
    absent = [finding for finding, certainty in others.items() if certainty is Certainty.NEGATIVE]
    if negatives is not None and negatives < len(absent):
        absent = [absent[index] for index in rng.choice(len(absent), size=negatives, replace=False)]
    return stated | dict.fromkeys(absent, Certainty.NEGATIVE)


def _resource(name: str) -> Path:
    return Path(str(files("cxr_clip").joinpath("resources", name)))
