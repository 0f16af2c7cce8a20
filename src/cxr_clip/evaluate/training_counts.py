"""How often the studies of a training state each finding, and whether a finding was ever stated to the model at all."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow.compute as pc

from cxr_clip.data.columns import counts_of, entries, has_reports
from cxr_clip.data.manifest import Manifest
from cxr_clip.evaluate.training_manifests import TrainingManifests
from cxr_clip.study import Certainty


class Exposure(StrEnum):
    """Whether a training study states a finding; not known where reports that nobody labelled for it may do so."""

    SEEN = "seen"
    UNSEEN = "unseen"
    UNKNOWN = "not known"


@dataclass(frozen=True)
class TrainingCounts:
    """How many of the training studies are positive of each finding; some study says of those `in_doubt`: perhaps.

    `labelled` has, for each data set with reports, the findings that its labels speak of in either sense: of any other
    its reports may speak too. `absent` are manifests of the training that are not here, `held_out` findings that were
    kept from it.
    """

    studies: int
    positive: Mapping[str, int]
    labelled: tuple[frozenset[str], ...]
    absent: tuple[Path, ...] = ()
    held_out: frozenset[str] = frozenset()
    in_doubt: frozenset[str] = frozenset()

    def exposure(self, finding: str) -> Exposure:
        """Whether the training states a finding, for certain or in doubt."""
        if self.positive.get(finding, 0) or finding in self.in_doubt:
            return Exposure.SEEN
        known = finding in self.held_out or (not self.absent and all(finding in one for one in self.labelled))
        return Exposure.UNSEEN if known else Exposure.UNKNOWN


def count_training(manifests: TrainingManifests) -> TrainingCounts | None:
    """Count what a model learned from of its manifests; None where none is here."""
    if not sum(map(len, manifests.studies)):
        return None
    return count_manifests(manifests.studies, absent=manifests.absent, held_out=manifests.held_out)


def count_manifests(
    manifests: Sequence[Manifest], *, absent: Iterable[Path] = (), held_out: frozenset[str] = frozenset()
) -> TrainingCounts:
    """Count the studies of manifests, from which `held_out` was left out already."""
    positive: Counter[str] = Counter()
    labelled: list[frozenset[str]] = []
    in_doubt: set[str] = set()
    for manifest in manifests:
        for source in manifest.sources:
            table = manifest.where(sources=(source,)).table
            _, findings, certainties = entries(table, "findings")
            positive.update(counts_of(findings.filter(pc.equal(certainties, Certainty.POSITIVE.value))))
            in_doubt.update(counts_of(findings.filter(pc.equal(certainties, Certainty.UNCERTAIN.value))))
            if has_reports(table):
                labelled.append(frozenset(pc.unique(findings).to_pylist()))
    return TrainingCounts(
        studies=sum(map(len, manifests)),
        positive=dict(positive),
        labelled=tuple(labelled),
        absent=tuple(absent),
        held_out=held_out,
        in_doubt=frozenset(in_doubt),
    )
