"""Findings from the words of a report: what is mentioned, and whether it is stated, denied or doubted."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from textwrap import wrap

from cxr_clip.data.findings import NO_FINDING
from cxr_clip.data.labeller_phrases import EXCEPT, KINDS, NEGATIVE, UNCERTAIN, Phrases, plain, read_phrases
from cxr_clip.data.labeller_scope import Effect, Span, cues_of, effect_on
from cxr_clip.data.sentences import split_sentences
from cxr_clip.study import Certainty, Study

LABELLED_SECTIONS = ("findings", "impression", "addendum")
_LONGEST_SENTENCE = 1000  # letters; what is longer is no sentence, and is read in pieces
_SUPPORT_DEVICES = "Support Devices"
_WEIGHT = {Certainty.NEGATIVE: 0, Certainty.UNCERTAIN: 1, Certainty.POSITIVE: 2}


def label_report(sections: Mapping[str, str]) -> dict[str, Certainty]:
    """The findings that a report speaks of, by canonical name; a finding that it does not mention is absent.

    Findings, impression and addendum are read, sentence by sentence. Where sentences differ, positive outweighs
    uncertain, and uncertain negative. "No Finding" is positive where nothing but support devices is positive or
    uncertain, negative where something is positive, and absent otherwise. A report without text has no findings.
    """
    read = (s for name in LABELLED_SECTIONS for s in split_sentences(sections.get(name, "")))
    sentences = [piece for sentence in read for piece in _pieces(sentence)]
    if not sentences:
        return {}
    findings = _strongest(mention for sentence in sentences for mention in label_sentence(sentence))
    others = {certainty for name, certainty in findings.items() if name != _SUPPORT_DEVICES}
    if Certainty.POSITIVE in others:
        return {NO_FINDING: Certainty.NEGATIVE, **findings}
    return findings if Certainty.UNCERTAIN in others else {NO_FINDING: Certainty.POSITIVE, **findings}


def with_labels(study: Study) -> Study:
    """The study with the findings that its report speaks of; as it is where it has findings already, or no report."""
    if study.findings:
        return study
    findings = label_report(study.sections)
    return replace(study, findings=findings) if findings else study


@lru_cache(maxsize=1 << 16)  # reports repeat their sentences
def label_sentence(sentence: str) -> tuple[tuple[str, Certainty], ...]:
    """The findings that one sentence speaks of, each once."""
    phrases = _phrases()
    text = plain(sentence)
    found = [(name, span) for name, patterns in phrases.findings.items() for span in _mentions(text, patterns)]
    if not found:
        return ()
    cues = cues_of(text, phrases)
    spans = [span for _, span in found]
    effects = ((name, span, effect_on(span, text, cues, spans, phrases)) for name, span in found)
    return tuple(
        _strongest((name, _certainty(span, e)) for name, span, e in effects if e is not Effect.IGNORED).items()
    )


def _pieces(sentence: str) -> list[str]:
    return [sentence] if len(sentence) <= _LONGEST_SENTENCE else wrap(sentence, _LONGEST_SENTENCE)


@cache
def _phrases() -> Phrases:
    return read_phrases()


def _strongest(mentions: Iterable[tuple[str, Certainty]]) -> dict[str, Certainty]:
    findings: dict[str, Certainty] = {}
    for name, certainty in mentions:
        if name not in findings or _WEIGHT[certainty] > _WEIGHT[findings[name]]:
            findings[name] = certainty
    return findings


def _mentions(text: str, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[Span]:
    """The mentions of one finding: the first and shortest where several overlap, and none inside an exception."""
    spans = [
        Span(match.start(), match.end(), kind) for kind, pattern in patterns.items() for match in pattern.finditer(text)
    ]
    spans.sort(key=lambda span: (span.role != EXCEPT, span.start, span.end, KINDS.index(span.role)))
    taken: list[Span] = []
    for span in spans:
        if all(span.end <= other.start or other.end <= span.start for other in taken):
            taken.append(span)
            if span.role != EXCEPT:
                yield span


def _certainty(mention: Span, effect: Effect | None) -> Certainty:
    if mention.role == NEGATIVE or effect is Effect.DENIED:
        return Certainty.NEGATIVE
    if mention.role == UNCERTAIN or effect is Effect.DOUBTED:
        return Certainty.UNCERTAIN
    return Certainty.POSITIVE
