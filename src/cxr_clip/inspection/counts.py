"""How many studies, patients and images there are, by source, split and view; which labels; which sizes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_clip.data.columns import counts_of, counts_of_numbers, elements, entries, lengths, quantiles
from cxr_clip.data.findings import FINDINGS
from cxr_clip.study import Certainty, Split

_DICOM_NAME = r"(?i)(\.dcm|\.dicom|(^|/)[^/.]*)$"


@dataclass(frozen=True)
class Group:
    """The studies of one source in one split; of all splits where `split` is None."""

    source: str
    split: str | None
    studies: int
    patients: int
    images: int


@dataclass(frozen=True)
class Counts:
    """The counts of a manifest. `sections`, `boxes`, `masks` and `grades` count studies that have them.

    `dicom_images` were files named .dcm or .dicom, or without a suffix, as DICOM files often are.
    """

    studies: int
    patients: int
    images: int
    dicom_images: int
    groups: tuple[Group, ...]
    views: Mapping[str, int]
    images_per_study: Mapping[int, int]
    sections: Mapping[str, int]
    sections_per_study: Mapping[int, int]
    boxes: int
    masks: int
    grades: int
    sexes: Mapping[str, int]
    ages: Mapping[str, float]
    sizes: Mapping[str, int]
    short_sides: Mapping[str, float]
    bytes: int


@dataclass(frozen=True)
class Label:
    """What is said of one finding, in studies; `prevalence` is the share of all studies that are positive."""

    finding: str
    positive: int
    negative: int
    uncertain: int
    not_mentioned: int
    prevalence: float


def count(table: pa.Table) -> Counts:
    """Count a manifest's table."""
    _, images = elements(table, "images")
    _, names, _ = entries(table, "sections")
    heights, widths = images.field("height"), images.field("width")
    known = pc.and_(pc.is_valid(heights), pc.is_valid(widths))
    short = np.minimum(*(np.asarray(side.filter(known), dtype=np.int64) for side in (heights, widths)))
    joined = pc.binary_join_element_wise(widths.cast(pa.string()), heights.cast(pa.string()), " × ")
    return Counts(
        studies=table.num_rows,
        patients=table.group_by(["source", "patient"]).aggregate([]).num_rows,
        images=len(images),
        dicom_images=int(pc.sum(pc.match_substring_regex(images.field("path"), _DICOM_NAME)).as_py() or 0),
        groups=_groups(table),
        views=counts_of(images.field("view")),
        images_per_study=counts_of_numbers(lengths(table, "images")),
        sections=counts_of(names),
        sections_per_study=counts_of_numbers(lengths(table, "sections")),
        boxes=int((lengths(table, "boxes") > 0).sum()),
        masks=int((lengths(table, "masks") > 0).sum()) if "masks" in table.column_names else 0,
        grades=int((lengths(table, "grades") > 0).sum()) if "grades" in table.column_names else 0,
        sexes=counts_of(table["sex"]),
        ages=quantiles(np.asarray(pc.drop_null(table["age"]), dtype=np.float64)),
        sizes=counts_of(joined),
        short_sides=quantiles(short),
        bytes=int(pc.sum(images.field("length")).as_py() or 0),
    )


def _groups(table: pa.Table) -> tuple[Group, ...]:
    """Each source as a whole, then its splits in their usual order."""
    slim = table.select(["source", "split", "patient"]).append_column("images", pa.array(lengths(table, "images")))
    wanted = [([], "count_all"), ("patient", "count_distinct"), ("images", "sum")]
    found = [
        *(_group(row) for row in slim.group_by(["source"]).aggregate(wanted).to_pylist()),
        *(_group(row) for row in slim.group_by(["source", "split"]).aggregate(wanted).to_pylist()),
    ]
    order = {None: -1} | {split.value: number for number, split in enumerate(Split)}
    return tuple(sorted(found, key=lambda group: (group.source, order.get(group.split, len(order)))))


def _group(row: dict[str, object]) -> Group:
    studies, patients, images = (int(str(row[name])) for name in ("count_all", "patient_count_distinct", "images_sum"))
    split = row.get("split")
    return Group(str(row["source"]), None if split is None else str(split), studies, patients, images)


def count_labels(table: pa.Table) -> tuple[Label, ...]:
    """Count what is said of every finding that is said anything of, in the order of the table of findings."""
    _, names, values = entries(table, "findings")
    said = (
        pa.table({"finding": names, "certainty": values})
        .group_by(["finding", "certainty"])
        .aggregate([([], "count_all")])
    )
    counted = {(row["finding"], row["certainty"]): int(row["count_all"]) for row in said.to_pylist()}
    order = {name: number for number, name in enumerate(FINDINGS)}
    findings = sorted({name for name, _ in counted}, key=lambda name: (order.get(name, len(order)), name))
    return tuple(_label(name, counted, table.num_rows) for name in findings)


def _label(finding: str, counted: Mapping[tuple[str, str], int], studies: int) -> Label:
    positive, negative, uncertain = (
        counted.get((finding, certainty.value), 0)
        for certainty in (Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN)
    )
    silent = studies - positive - negative - uncertain
    return Label(finding, positive, negative, uncertain, silent, round(positive / studies, 5))
