"""How hospitals word their reports: one function per house style, from findings to two sections."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cxr_clip.synthetic.denials import negatives
from cxr_clip.synthetic.pathology import SYNTHETIC_FINDINGS, FindingInstance
from cxr_clip.synthetic.phrases import doubtful, noun_phrase, pick, sentence
from cxr_clip.synthetic.remarks import remark

_URGENT = ("Pneumothorax", "Edema", "Consolidation", "Mass", "Fracture", "Pleural Effusion")
_LUNGS = ("Consolidation", "Edema", "Atelectasis", "Nodule", "Mass", "Emphysema")
_SYSTEMS = (
    ("Heart and mediastinum", ("Cardiomegaly", "Hernia")),
    ("Lungs", _LUNGS),
    ("Pleura", ("Pleural Effusion", "Pneumothorax")),
    ("Bones", ("Fracture",)),
    ("Lines and tubes", ("Support Devices",)),
)
_NOTHING_NEW = (
    "No acute cardiopulmonary abnormality",
    "No acute cardiopulmonary disease",
    "No acute findings",
    "No evidence of active disease",
    "No acute disease",
)
_NOTHING = (*_NOTHING_NEW, "Normal chest", "Normal chest radiograph", "Unremarkable examination of the chest")
_MASKABLE = (
    "evidence",
    "limits",
    "silhouette",
    "seen",
    "identified",
    "intact",
    "structures",
    "within",
    "present",
    "noted",
    "expanded",
)


@dataclass(frozen=True)
class Report:
    """The sections of a report; an absent section is None."""

    indication: str | None
    comparison: str | None
    findings: str | None
    impression: str | None


class HouseStyle(StrEnum):
    """The manner of a hospital: full sentences, fragments, a line for each system, hedges, or denials first."""

    NARRATIVE = "narrative"
    TERSE = "terse"
    BY_SYSTEM = "by_system"
    HEDGING = "hedging"
    NEGATIVES_FIRST = "negatives_first"


def write_report(
    findings: tuple[FindingInstance, ...],
    rng: np.random.Generator,
    *,
    age: int,
    sex: str,
    style: HouseStyle | None = None,
) -> Report:
    """A report in a house style, drawn at random if none is given; about one in eight lacks a section."""
    drawn = tuple(HouseStyle)[int(rng.integers(len(HouseStyle)))]
    body, impression = _STYLES[style or drawn](findings, rng)
    missing = rng.random()
    devices = any(f.name == "Support Devices" for f in findings)  # which an impression may leave out
    return Report(
        indication=_indication(rng, age, sex),
        comparison=pick(rng, ("None.", "None.", "None", "XXXX.", "Chest radiograph dated XXXX.", "XXXX, XXXX.")),
        findings=None if missing < 0.07 and not devices else _masked(body, rng),
        impression=None if 0.07 <= missing < 0.12 else _masked(impression, rng),
    )


def _narrative(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> tuple[str, str]:
    """Full sentences from the heart outwards; the impression names what matters."""
    parts = [_told(f, rng) for f in _ordered(findings)]
    parts += negatives(_absent(findings), rng, int(rng.integers(3, 6)))
    if rng.random() < 0.4:
        rng.shuffle(parts)
    opening = pick(
        rng, ("", "", "Frontal and lateral views of the chest were obtained.", "Two views of the chest are provided.")
    )
    return _join([opening, *parts]), _summed_up(findings, rng)


def _terse(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> tuple[str, str]:
    """Fragments."""
    parts = [_fragment(f, rng) for f in _ordered(findings)]
    parts += negatives(_absent(findings), rng, int(rng.integers(2, 4)))
    return _join(parts), _join([_fragment(f, rng) for f in _ordered(findings)] or [sentence(pick(rng, _NOTHING))])


def _by_system(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> tuple[str, str]:
    """A line for each system, and a numbered impression."""
    lines = []
    absent = _absent(findings)
    for title, names in _SYSTEMS:
        here = [_told(f, rng) for f in findings if f.name in names]
        if rng.random() < 0.85 or not here:
            here += negatives(absent, rng, 1 if here else 2, about=frozenset(names))
        if here:
            lines.append(f"{title}: {_join(here)}")
    return _join(lines), _numbered(findings, rng)


def _hedging(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> tuple[str, str]:
    """Says what the shadows suggest and advises more."""
    frames = (
        "Findings are consistent with {np}.",
        "Appearances suggest {np}.",
        "Findings most compatible with {np}.",
        "There is apparent {np}.",
    )
    parts = []
    for f in _ordered(findings):
        hedged = f.is_sure and f.name not in ("Support Devices", "Fracture") and rng.random() < 0.6
        parts.append(pick(rng, frames).format(np=noun_phrase(f, rng).text) if hedged else _told(f, rng))
    softened = (("No definite", "No"), ("No convincing", "No"), ("No", "No"))
    for text in negatives(_absent(findings), rng, int(rng.integers(2, 5))):
        new, old = softened[int(rng.integers(3))]
        parts.append(text.replace(f"{old} ", f"{new} ", 1) if text.startswith(f"{old} ") else text)
    advice = pick(
        rng,
        (
            "",
            "Clinical correlation is recommended.",
            "Follow-up radiographs are suggested.",
            "Consider CT for further evaluation.",
        ),
    )
    return _join(parts), _join([_summed_up(findings, rng), advice if findings else ""])


def _negatives_first(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> tuple[str, str]:
    """A long report that clears the chest first and ends with what is wrong."""
    parts = negatives(_absent(findings), rng, int(rng.integers(4, 7)))
    parts += [_told(f, rng) for f in _ordered(findings)]
    return _join(parts), _numbered(findings, rng) if rng.random() < 0.5 else _summed_up(findings, rng)


_STYLES: dict[HouseStyle, Callable[[tuple[FindingInstance, ...], np.random.Generator], tuple[str, str]]] = {
    HouseStyle.NARRATIVE: _narrative,
    HouseStyle.TERSE: _terse,
    HouseStyle.BY_SYSTEM: _by_system,
    HouseStyle.HEDGING: _hedging,
    HouseStyle.NEGATIVES_FIRST: _negatives_first,
}


def _told(f: FindingInstance, rng: np.random.Generator) -> str:
    """A full sentence about a finding."""
    if not f.is_sure:
        return doubtful(f, rng)
    own = remark(f, rng) if rng.random() < 0.45 else None
    if own is not None:
        return own
    phrase = noun_phrase(f, rng)
    frames = ("there {verb} {anp}", "{anp} {verb} present", "{anp} {verb} seen", "{anp} {verb} noted", "{np}")
    return sentence(pick(rng, frames).format(verb=phrase.verb, np=phrase.text, anp=phrase.with_article))


def _fragment(f: FindingInstance, rng: np.random.Generator) -> str:
    return sentence(noun_phrase(f, rng).text) if f.is_sure else doubtful(f, rng)


def _summed_up(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> str:
    """The impression: the findings as phrases, devices left out at times, or that there is nothing."""
    told = [f for f in _ordered(findings) if f.name != "Support Devices" or rng.random() < 0.6]
    if not told:
        return sentence(pick(rng, _NOTHING_NEW if findings else _NOTHING))
    phrases = [noun_phrase(f, rng).text for f in told if f.is_sure]
    parts = []
    if len(phrases) == 2 and rng.random() < 0.6:
        parts.append(sentence(f"{phrases[0]} {pick(rng, ('and', 'with'))} {phrases[1]}"))
    else:
        parts += [sentence(p) for p in phrases]
    parts += [doubtful(f, rng) for f in told if not f.is_sure]
    if rng.random() < 0.25:
        parts.append(
            pick(
                rng,
                ("Otherwise unremarkable.", "No other acute abnormality.", "Remainder of the chest is unremarkable."),
            )
        )
    return _join(parts)


def _numbered(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> str:
    parts = [_fragment(f, rng) for f in _ordered(findings)]
    if not parts or rng.random() < 0.3:
        parts += negatives(_absent(findings), rng, 1) if parts else [sentence(pick(rng, _NOTHING))]
    return " ".join(f"{n}. {text}" for n, text in enumerate(parts, 1))


def _ordered(findings: tuple[FindingInstance, ...]) -> list[FindingInstance]:
    """The urgent first, doubts last."""
    return sorted(findings, key=lambda f: (not f.is_sure, f.name not in _URGENT))


def _absent(findings: tuple[FindingInstance, ...]) -> frozenset[str]:
    return frozenset(SYNTHETIC_FINDINGS) - {f.name for f in findings}


def _join(parts: list[str]) -> str:
    return " ".join(p for p in parts if p)


def _indication(rng: np.random.Generator, age: int, sex: str) -> str:
    person = {"M": "male", "F": "female"}[sex]
    why = pick(
        rng,
        (
            "chest pain",
            "shortness of breath",
            "cough",
            "dyspnea",
            "fever and cough",
            "preoperative evaluation",
            "trauma",
            "hypoxia",
            "weakness",
            "follow-up",
        ),
    )
    whose = f"{age}-year-old" if rng.random() < 0.2 else "XXXX-year-old"
    return sentence(why) if rng.random() < 0.4 else f"{whose} {person} with {why}."


def _masked(text: str, rng: np.random.Generator) -> str:
    """The text with a word taken out now and then, as the removal of names does."""
    if rng.random() >= 0.12:
        return text
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if word.rstrip(".,").lower() in _MASKABLE]
    if places:
        i = places[int(rng.integers(len(places)))]
        tail = words[i][len(words[i].rstrip(".,")) :]
        words[i] = f"XXXX{tail}"
    return " ".join(words)
