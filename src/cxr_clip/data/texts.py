"""Which texts a study shows the model: the one place where report studies and label-only studies differ."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cxr_clip.data.prompts import PromptBank, write_prompt_report
from cxr_clip.data.reports import REPORT_SECTIONS, shuffle_sentences, some_sentences
from cxr_clip.errors import ReportError
from cxr_clip.study import Study

BACK_TRANSLATION = "_back_translation"
_PROMPT_REPORTS_FOR_TOKENISER = 4


@dataclass(frozen=True)
class Wording:
    """How the studies of one source are put into words.

    `negatives` is the largest number of negative findings in a prompt report, None for all. `label_prompts` is the
    chance that a text of a study with report and labels is a prompt report instead, `cut_sentences` the chance that a
    section is cut to some of its sentences: both vary what training sees, and are 0 in the paper. Without `shuffle` the
    sentences of reports stay as written, as they did in the paper's published code against its intention.
    """

    bank: PromptBank
    negatives: int | None = None
    label_prompts: float = 0.0
    cut_sentences: float = 0.0
    shuffle: bool = True


def choose_texts(study: Study, rng: np.random.Generator, wording: Wording, *, count: int = 2) -> tuple[str, ...]:
    """One or two texts of a study for one training step (paper section 3.1).

    Two: findings then impression where both exist, each in random sentence order; of the only section, the text as
    written and then its back-translation (section `<name>_back_translation`) or, without one, its sentences in random
    order; of a study with labels only, two prompt reports drawn independently. One: either section at random, in
    random sentence order, or one prompt report. What `wording` varies beyond that comes on top.

    Raises ReportError for a study with neither report nor labels.
    """
    _check_count(count)
    if not _sections(study):
        return _prompt_reports(study, rng, wording, count=count)
    return tuple(_varied(text, study, rng, wording) for text in _report_texts(study, rng, wording, count=count))


def _report_texts(study: Study, rng: np.random.Generator, wording: Wording, *, count: int) -> tuple[str, ...]:
    sections = _sections(study)
    if count == 1:
        sections = sections[rng.integers(len(sections)) :][:1]
    elif len(sections) == 1:
        return _twice(study, sections[0], rng, wording)
    return tuple(_ordered(study.sections[section], rng, wording) for section in sections)


def _varied(text: str, study: Study, rng: np.random.Generator, wording: Wording) -> str:
    """A text of a report as it is, some of its sentences, or a prompt report of the same study."""
    if study.findings and rng.random() < wording.label_prompts:
        return write_prompt_report(study.findings, wording.bank, rng, negatives=wording.negatives)
    return some_sentences(text, rng) if rng.random() < wording.cut_sentences else text


def fixed_texts(study: Study, wording: Wording, *, count: int = 2) -> tuple[str, ...]:
    """The texts of a study for validation and evaluation: the same ones on every call, machine and process.

    Sections come as written, two of them as findings then impression; where one is asked for it is the longer of
    them (paper section 4.2). Whatever is random (a section used twice, prompt reports) depends on the study id only.

    Raises ReportError for a study with neither report nor labels.
    """
    _check_count(count)
    rng = _generator(study.id)
    sections = _sections(study)
    if not sections:
        return _prompt_reports(study, rng, wording, count=count)
    if count == 1:
        return (max((study.sections[section] for section in sections), key=len),)
    if len(sections) == 1:
        return _twice(study, sections[0], rng, wording)
    return tuple(study.sections[section] for section in sections)


def states_labels(study: Study, wording: Wording) -> bool:
    """Whether a text of the study may be written from its labels."""
    return not _sections(study) or wording.label_prompts > 0


def training_texts(study: Study, wording: Wording) -> Iterator[str]:
    """The texts of a study that a tokeniser should learn from: its sections, a few of its prompt reports."""
    sections = _sections(study)
    for section in sections:
        yield study.sections[section]
        if translation := study.sections.get(section + BACK_TRANSLATION):
            yield translation
    if study.findings and states_labels(study, wording):
        rng = _generator(study.id)
        for _ in range(_PROMPT_REPORTS_FOR_TOKENISER):
            yield write_prompt_report(study.findings, wording.bank, rng, negatives=wording.negatives)


def _sections(study: Study) -> tuple[str, ...]:
    return tuple(section for section in REPORT_SECTIONS if study.sections.get(section))


def _twice(study: Study, section: str, rng: np.random.Generator, wording: Wording) -> tuple[str, str]:
    """A section as written, and another wording or order of it."""
    text = study.sections[section]
    return text, study.sections.get(section + BACK_TRANSLATION) or _ordered(text, rng, wording)


def _ordered(text: str, rng: np.random.Generator, wording: Wording) -> str:
    """The sentences of a text in random order, where the wording wants that."""
    return shuffle_sentences(text, rng) if wording.shuffle else text


def _prompt_reports(study: Study, rng: np.random.Generator, wording: Wording, *, count: int) -> tuple[str, ...]:
    if not study.findings:
        raise ReportError(
            f"Study {study.id!r} of {study.source} has neither findings or impression text nor labels, so there is "
            "nothing to say of its images: leave it out of the manifest, or prepare it again with its labels."
        )
    return tuple(
        write_prompt_report(study.findings, wording.bank, rng, negatives=wording.negatives) for _ in range(count)
    )


def _generator(study_id: str) -> np.random.Generator:
    """A generator that depends on the study only; `hash` would differ from process to process."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(study_id.encode()).digest()[:8], "little"))


def _check_count(count: int) -> None:
    if count not in (1, 2):
        raise ValueError(f"a study gives 1 or 2 texts, not {count}")
