"""Findings kept out of a training: no study that states one of them, no label that speaks of one.

A report may still deny them. Whoever holds out "Mass" and not "Nodule/Mass" has shown masses: kin is named by hand.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from cxr_clip.data.findings import NO_FINDING, canonical
from cxr_clip.data.labeller import label_report
from cxr_clip.data.manifest import SCHEMA, Manifest
from cxr_clip.data.reports import REPORT_SECTIONS
from cxr_clip.errors import PromptError, TrainingError
from cxr_clip.study import Certainty, Study


@dataclass(frozen=True)
class HeldOutCounts:
    """How many studies were left out, how many stated each finding, and how many labels were taken off the others.

    Left out are the studies that state a finding, and those with nothing else to say.
    """

    left_out: int
    stating: Mapping[str, int]
    labels: Mapping[str, int]


@dataclass(frozen=True)
class HeldOut:
    """What became of a manifest."""

    manifest: Manifest
    counts: HeldOutCounts


def findings_to_hold_out(names: Sequence[str]) -> frozenset[str]:
    """The canonical names. Raises PromptError for a name that no finding has, and for "No Finding"."""
    findings = frozenset(map(canonical, names))
    if NO_FINDING in findings:
        raise PromptError(f"{NO_FINDING} is the absence of findings and cannot be held out: leave it out of the list")
    return findings


def hold_out(manifest: Manifest, findings: Collection[str]) -> HeldOut:
    """Leave out the studies that state one of `findings`, and take its labels off the others.

    A study states a finding if its label is positive or uncertain, or, without a label, its report read by the labeller
    says so.
    """
    stating: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    kept: list[int] = []
    said: list[list[tuple[str, str]]] = []
    for row, study in enumerate(manifest):
        stated = _stated(study, findings)
        rest = [(name, str(certainty)) for name, certainty in study.findings.items() if name not in findings]
        stating.update(stated)
        if stated or not (rest or any(study.sections.get(name) for name in REPORT_SECTIONS)):
            continue
        labels.update(name for name in study.findings if name in findings)
        kept.append(row)
        said.append(rest)
    table = manifest.table.take(kept)
    column = pa.array(said, SCHEMA.field("findings").type)
    place = table.column_names.index("findings")
    without = table.set_column(place, SCHEMA.field("findings"), column)
    counts = HeldOutCounts(len(manifest) - len(kept), dict(stating), dict(labels))
    return HeldOut(Manifest(manifest.root, without), counts)


def without(manifest: Manifest, findings: Collection[str]) -> Manifest:
    """The manifest that is left; the same one where nothing is held out."""
    return hold_out(manifest, findings).manifest if findings else manifest


def added_up(parts: Iterable[HeldOutCounts]) -> HeldOutCounts:
    """The counts of several manifests together."""
    left_out, stating, labels = 0, Counter[str](), Counter[str]()
    for part in parts:
        left_out += part.left_out
        stating.update(part.stating)
        labels.update(part.labels)
    return HeldOutCounts(left_out, dict(stating), dict(labels))


def refuse_without_effect(findings: Collection[str], counts: HeldOutCounts) -> None:
    """Raise TrainingError for a finding that no study speaks of."""
    for finding in sorted(findings):
        if not counts.stating.get(finding, 0) + counts.labels.get(finding, 0):
            raise TrainingError(
                f"data.hold_out={finding} has no effect: no study of data.sources speaks of it; leave it out"
            )


def _stated(study: Study, findings: Collection[str]) -> list[str]:
    """The findings that a study says are there, or may be."""
    said = {name: study.findings[name] for name in findings if name in study.findings}
    if len(said) < len(findings):
        said = {name: certainty for name, certainty in label_report(study.sections).items() if name in findings} | said
    return [name for name in sorted(said) if said[name] is not Certainty.NEGATIVE]
