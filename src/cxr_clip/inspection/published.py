"""The counts that the publishers of a data set give, beside those of a manifest."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import yaml

from cxr_clip.inspection.counts import Group


@dataclass(frozen=True)
class Comparison:
    """One published count and the manifest's own; `unit` is images, studies or patients, `split` None for all."""

    source: str
    unit: str
    split: str | None
    published: int
    here: int


def compare(groups: Sequence[Group]) -> tuple[Comparison, ...]:
    """All published counts of the sources that are there."""
    rows = yaml.safe_load(files("cxr_clip").joinpath("resources", "published_counts.yaml").read_text("utf-8"))
    sources = {group.source for group in groups}
    return tuple(
        Comparison(row["source"], row["unit"], row["split"], row["count"], _here(groups, row))
        for row in rows
        if row["source"] in sources
    )


def _here(groups: Sequence[Group], row: dict[str, str]) -> int:
    found = [
        getattr(group, row["unit"]) for group in groups if (group.source, group.split) == (row["source"], row["split"])
    ]
    return int(sum(found))
