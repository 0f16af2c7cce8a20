"""The phrase language of `resources/labeller.yaml`, which documents it, compiled to regular expressions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import yaml

# The kinds of phrases of a finding; where two match at the same place and length, the first of them counts.
EXCEPT, NEGATIVE, UNCERTAIN, POSITIVE = KINDS = ("except", "negative", "uncertain", "positive")
_GAP = r"(?: (?!(?:but|with|without|no(?! longer)|there|however|which|by|from|due)\b)[^\s,;:.()?]+){0,6}?"
_ABBREVIATIONS = (
    (re.compile(r"\bw/o\b"), "without"),
    (re.compile(r"\bw/ ?"), "with "),
    (re.compile(r"\br/o\b"), "rule out"),
    (re.compile(r"\bh/o\b"), "history of"),
    (re.compile(r"\bs/p\b"), "status post"),
    (re.compile(r"\band/or\b"), "or"),
    (re.compile(r"\bvs\b\.?"), "versus"),
    (re.compile(r"(?<!\w)\?(?=\s?\w)"), "questionable "),
    (re.compile(r"/"), " and "),
    (re.compile(r"[-\u2010-\u2014]"), " "),
)
# A heading goes ("Lines and tubes: No lines.") unless it is the subject of what follows ("Heart: Mildly enlarged.").
_HEADING = re.compile(r"^[a-z][a-z ]{2,40}: (?!(?:none|absent|negative|not \w+|no change)\W*$)")
_SUBJECT = re.compile(
    r"^([a-z][a-z ]{2,40}): (?!(?:none|absent|negative|no|not)\b)"
    r"(?=\w+\W{0,2}\w*\W*$|(?:normal|within|unremarkable|clear|(?:mild|moderate|severe)ly|enlarged|stable|unchanged)\b)"
)


@dataclass(frozen=True)
class Phrases:
    """The compiled table: a pattern a finding and kind, the cues with the roles of each, and what ends their reach."""

    findings: Mapping[str, Mapping[str, re.Pattern[str]]]
    cues: re.Pattern[str]
    roles: Mapping[str, tuple[str, ...]]
    ends: re.Pattern[str]
    grounds: re.Pattern[str]
    conditions: re.Pattern[str]
    openings: re.Pattern[str]


def plain(sentence: str) -> str:
    """A sentence as the phrases see it.

    Lower case, abbreviations spelled out, hyphens and slashes as words apart; a heading that says nothing itself goes.
    """
    text = sentence.lower()
    for pattern, replacement in _ABBREVIATIONS:
        text = pattern.sub(replacement, text)
    return _HEADING.sub("", _SUBJECT.sub(r"\1 is ", " ".join(text.split())))


def read_phrases() -> Phrases:
    """The table of `resources/labeller.yaml`."""
    table = yaml.load(
        files("cxr_clip").joinpath("resources", "labeller.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader
    )
    words = {name: _either(entries, {}) for name, entries in table["words"].items()}
    patterns, roles = _cues(table["cues"], words)
    ends = _either(table["ends"], words)
    return Phrases(
        findings={name: _of_finding(name, table["findings"], words) for name in table["findings"]},
        cues=patterns,
        roles=roles,
        ends=re.compile(rf"[;:()]|\b(?:{ends})\b"),
        grounds=re.compile(rf"\b(?:{_either(table['grounds'], words)})\b"),
        conditions=re.compile(rf"\b(?:{_either(table['conditions'], words)})\b"),
        openings=re.compile(rf"(?:,|\band\b|\bwith\b) (?:and )?(?:{_either(table['openings'], words)})\b"),
    )


def _cues(
    table: Mapping[str, Sequence[str]], words: Mapping[str, str]
) -> tuple[re.Pattern[str], dict[str, tuple[str, ...]]]:
    """One pattern with a group a cue, the longest first, and the roles of each group."""
    roles_of: dict[str, tuple[str, ...]] = {}
    for role, phrases in table.items():
        for phrase in phrases:
            roles_of[phrase] = (*roles_of.get(phrase, ()), role)
    longest_first = sorted(roles_of, key=lambda phrase: -len(phrase.replace("[", " [").split()))
    groups = "|".join(f"(?P<cue{number}>{_phrase(phrase, words)})" for number, phrase in enumerate(longest_first))
    return re.compile(rf"\b(?:{groups})\b"), {f"cue{n}": roles_of[phrase] for n, phrase in enumerate(longest_first)}


def _of_finding(
    name: str, table: Mapping[str, Mapping[str, Sequence[str]]], words: Mapping[str, str]
) -> dict[str, re.Pattern[str]]:
    """The patterns of one finding by kind, together with those of the findings that it includes."""
    entries = [table[name], *(table[other] for other in table[name].get("includes", ()))]
    phrases = {kind: [phrase for entry in entries for phrase in entry.get(kind, ())] for kind in KINDS}
    return {kind: re.compile(rf"\b(?:{_either(found, words)})\b") for kind, found in phrases.items() if found}


def _either(phrases: Iterable[str], words: Mapping[str, str]) -> str:
    return "|".join(_phrase(phrase, words) for phrase in phrases)


def _phrase(phrase: str, words: Mapping[str, str]) -> str:
    """One phrase as a regular expression without groups that capture."""
    pattern = ""
    for token in phrase.split():
        if token == "...":
            pattern += _GAP
        elif token.startswith("!"):
            pattern += rf"(?! {_alternatives(token[1:], words)}\b)"
        elif token.startswith("["):
            option = _alternatives(token[1:-1], words)
            pattern += f"(?: {option})?" if pattern else f"(?:{option} )?"
        else:
            space = " " if pattern and not pattern.endswith(" )?") else ""
            pattern += space + _alternatives(token, words)
    return pattern


def _alternatives(token: str, words: Mapping[str, str]) -> str:
    if token.startswith("<"):
        return f"(?:{words[token[1:-1]]})"
    options = [re.escape(option).replace("_", " ").replace(r"\*", r"\w*") for option in token.split("/")]
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"
