"""What a prepared folder says of itself: counts by split, labels, what was left out, how it was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.provenance import Provenance
from cxr_clip.inspection.counts import Counts, Label, count, count_labels
from cxr_clip.inspection.published import Comparison, compare
from cxr_clip.prepare.summary_file import Preparation, read_preparation
from cxr_clip.study import Split


@dataclass(frozen=True)
class DataFacts:
    """The facts of one manifest; `name` is that of its folder, without the path."""

    name: str
    counts: Counts
    splits: Mapping[Split, Counts]
    labels: tuple[Label, ...]
    published: tuple[Comparison, ...]
    preparation: Preparation
    provenance: Provenance


def read_data_facts(folder: Path) -> DataFacts:
    """Read the facts of a prepared folder; no image is opened. Raises ManifestError."""
    manifest = read_manifest(folder)
    parts = {split: manifest.where(split=split).table for split in Split}
    counts = count(manifest.table)
    return DataFacts(
        name=manifest.root.resolve().name,
        counts=counts,
        splits={split: count(table) for split, table in parts.items() if table.num_rows},
        labels=count_labels(manifest.table),
        published=compare(counts.groups),
        preparation=read_preparation(manifest.root),
        provenance=manifest.provenance,
    )


def demographics(facts: DataFacts) -> list[tuple[str, ...]]:
    """A row for each split: studies, patients, images, sexes, ages, views."""
    return [
        (
            split.value,
            *(f"{number:,}" for number in (counts.studies, counts.patients, counts.images)),
            listed(counts.sexes) or "not known",
            ages(counts) or "not known",
            listed(counts.views),
        )
        for split, counts in facts.splits.items()
    ]


HEADS = ("split", "studies", "patients", "images", "sex", "age", "views")


def listed(counts: Mapping[str, int]) -> str:
    """Counts in a line; what has no name is not known."""
    return ", ".join(f"{name or 'not known'} {number:,}" for name, number in counts.items())


def ages(counts: Counts) -> str:
    """Quantiles of the ages in years; empty where no age is known."""
    return ", ".join(f"{name} {value:g}" for name, value in counts.ages.items())
