"""Findings of Open-I studies: from a table of labels, or from the MeSH terms of the report's indexers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.data.findings import NO_FINDING, canonical
from cxr_clip.errors import PromptError, SourceError
from cxr_clip.prepare.files import by_key, read_csv
from cxr_clip.prepare.label_values import certainty_of
from cxr_clip.study import Certainty

_NOT_CODED = ("no indexing", "technical quality of image unsatisfactory")
_KINDS_OF_OPACITY = (
    "Atelectasis", "Consolidation", "Edema", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pleural Effusion",
)  # fmt: skip


@dataclass(frozen=True)
class _Rule:
    """A MeSH term (its head, and where needed one of its qualifiers) and the finding that it stands for."""

    term: str
    finding: str
    qualifier: str | None = None
    certainty: Certainty = Certainty.POSITIVE

    def holds(self, head: str, qualifiers: Sequence[str]) -> bool:
        return self.term == head and (self.qualifier is None or self.qualifier in qualifiers)


# Heads as the collection has them (D. Demner-Fushman et al., JAMIA 2016, coded by hand with MeSH and RadLex).
# Where a term may hide a finding without naming it, the certainty is "uncertain" rather than a wrong "negative".
_RULES = (
    _Rule("cardiomegaly", "Cardiomegaly"),
    _Rule("cardiac shadow", "Cardiomegaly", "enlarged"),
    _Rule("cardiac shadow", "Cardiomegaly", "borderline"),
    _Rule("mediastinum", "Enlarged Cardiomediastinum", "enlarged"),
    _Rule("mediastinum", "Enlarged Cardiomediastinum", "prominent", Certainty.UNCERTAIN),
    _Rule("opacity", "Lung Opacity"),
    _Rule("airspace disease", "Lung Opacity"),
    _Rule("airspace disease", "Consolidation", None, Certainty.UNCERTAIN),
    _Rule("airspace disease", "Infiltration", None, Certainty.UNCERTAIN),
    _Rule("density", "Lung Opacity", "lung", Certainty.UNCERTAIN),
    _Rule("pulmonary atelectasis", "Atelectasis"),
    _Rule("consolidation", "Consolidation"),
    _Rule("infiltrate", "Infiltration"),
    _Rule("pneumonia", "Pneumonia"),
    _Rule("pulmonary edema", "Edema"),
    _Rule("pulmonary congestion", "Edema", None, Certainty.UNCERTAIN),
    _Rule("heart failure", "Edema", None, Certainty.UNCERTAIN),
    _Rule("pleural effusion", "Pleural Effusion"),
    _Rule("hemothorax", "Pleural Effusion"),
    _Rule("hydropneumothorax", "Pleural Effusion"),
    _Rule("hemopneumothorax", "Pleural Effusion"),
    _Rule("costophrenic angle", "Pleural Effusion", "blunted", Certainty.UNCERTAIN),
    _Rule("pneumothorax", "Pneumothorax"),
    _Rule("hydropneumothorax", "Pneumothorax"),
    _Rule("hemopneumothorax", "Pneumothorax"),
    _Rule("thickening", "Pleural Thickening", "pleura"),
    _Rule("cicatrix", "Pleural Thickening", "pleura", Certainty.UNCERTAIN),
    _Rule("nodule", "Nodule"),
    _Rule("granuloma", "Nodule", None, Certainty.UNCERTAIN),
    _Rule("calcified granuloma", "Nodule", None, Certainty.UNCERTAIN),
    _Rule("mass", "Mass"),
    _Rule("emphysema", "Emphysema"),
    _Rule("pulmonary emphysema", "Emphysema"),
    _Rule("bullous emphysema", "Emphysema"),
    _Rule("pulmonary disease, chronic obstructive", "Emphysema", None, Certainty.UNCERTAIN),
    _Rule("lung, hyperlucent", "Emphysema", None, Certainty.UNCERTAIN),
    _Rule("pulmonary fibrosis", "Fibrosis"),
    _Rule("fibrosis", "Fibrosis"),
    _Rule("lung diseases, interstitial", "Fibrosis", None, Certainty.UNCERTAIN),
    _Rule("cicatrix", "Fibrosis", "lung", Certainty.UNCERTAIN),
    _Rule("hernia, hiatal", "Hernia"),
    _Rule("hernia, diaphragmatic", "Hernia"),
    _Rule("fractures, bone", "Fracture"),
    _Rule("deformity", "Fracture", "ribs", Certainty.UNCERTAIN),
    _Rule("deformity", "Fracture", "clavicle", Certainty.UNCERTAIN),
    _Rule("catheters, indwelling", "Support Devices"),
    _Rule("implanted medical device", "Support Devices"),
    _Rule("medical device", "Support Devices"),
    _Rule("tube, inserted", "Support Devices"),
)
MESH_FINDINGS = tuple(dict.fromkeys(rule.finding for rule in _RULES))


def findings_from_mesh(terms: Sequence[str]) -> dict[str, Certainty]:
    """Findings of a study from its MeSH majors, such as "Cardiomegaly/mild" or "normal".

    Every study was coded in full, so a finding of the table that no term names is negative, and "No Finding" is
    positive for "normal" alone. "borderline" makes a finding uncertain. A lung opacity that is not coded, beside a
    coded finding that is a kind of opacity, stays unmentioned. Terms that say that nothing was coded give nothing.
    """
    coded = [[part.strip().lower() for part in term.split("/")] for term in terms]
    coded = [parts for parts in coded if parts[0] not in _NOT_CODED]
    if not coded:
        return {}
    mentioned: dict[str, Certainty] = {}
    for head, *qualifiers in coded:
        for rule in _RULES:
            if rule.holds(head, qualifiers):
                _mention(mentioned, rule, borderline="borderline" in qualifiers)
    normal = all(parts[0] == "normal" for parts in coded)
    findings = {NO_FINDING: Certainty.POSITIVE if normal else Certainty.NEGATIVE}
    findings |= {name: mentioned.get(name, Certainty.NEGATIVE) for name in MESH_FINDINGS}
    if "Lung Opacity" not in mentioned and any(name in mentioned for name in _KINDS_OF_OPACITY):
        del findings["Lung Opacity"]
    return findings


def _mention(mentioned: dict[str, Certainty], rule: _Rule, *, borderline: bool) -> None:
    """Note a finding; a positive mention outweighs an uncertain one."""
    certainty = Certainty.UNCERTAIN if borderline else rule.certainty
    if mentioned.get(rule.finding) is not Certainty.POSITIVE:
        mentioned[rule.finding] = certainty


def read_labels(file: Path) -> dict[str, Mapping[str, Certainty]]:
    """Findings by report id without "CXR", from a CSV with `uid` and one column a finding ("normal" is No Finding).

    Values: 1 positive, 0 negative, -1 uncertain, empty not mentioned. Raises SourceError for anything else, for two
    columns of one finding, and for a report that comes again with other labels.
    """
    header, rows = read_csv(file)
    if "uid" not in header:
        raise SourceError(f"{file} has no column uid; its columns are {', '.join(header)}")
    columns = [(place, _finding(name, file)) for place, name in enumerate(header) if name != "uid"]
    twice = sorted(name for name, count in Counter(name for _, name in columns).items() if count > 1)
    if twice:
        raise SourceError(f"{file} has several columns of {', '.join(twice)}: keep one of each")
    return by_key(file, _labels(file, rows, columns, uid=header.index("uid")))


def _labels(
    file: Path, rows: Sequence[Sequence[str]], columns: Sequence[tuple[int, str]], *, uid: int
) -> Iterator[tuple[str, Mapping[str, Certainty]]]:
    for line, row in enumerate(rows, start=2):
        if len(row) != len(columns) + 1:
            raise SourceError(f"{file} line {line} has {len(row)} values instead of {len(columns) + 1}")
        values = ((name, _certainty(row[place], file, line)) for place, name in columns)
        yield row[uid].removeprefix("CXR"), {name: certainty for name, certainty in values if certainty is not None}


def _finding(name: str, file: Path) -> str:
    if name.lower() == "normal":
        return NO_FINDING
    try:
        return canonical(name)
    except PromptError as error:
        raise SourceError(f"{file}: {error}") from error


def _certainty(value: str, file: Path, line: int) -> Certainty | None:
    try:
        return certainty_of(value)
    except ValueError as error:
        raise SourceError(f"{file} line {line}: {error}") from error
