"""What can be wrong with a manifest: each rule is one function over the Arrow table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cxr_clip.data.findings import KNOWN_FINDINGS, canonical
from cxr_clip.data.reports import REPORT_SECTIONS
from cxr_clip.errors import PromptError
from cxr_clip.inside import path_inside
from cxr_clip.study import Certainty, Split, View

_NAMED = 3
_ENTRIES = pa.list_(pa.struct([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string())]))
_GRADES = pa.list_(pa.struct([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.int32())]))


@dataclass(frozen=True)
class Fault:
    """One broken rule: what is wrong, how to mend it, and the rows (counted from 0) and ids that break it."""

    rule: str
    mend: str
    rows: tuple[int, ...]
    ids: tuple[str, ...]

    def __str__(self) -> str:
        named = ", ".join(f"row {row} ({study})" for row, study in zip(self.rows[:_NAMED], self.ids, strict=False))
        more = f" and {len(self.rows) - _NAMED} more" if len(self.rows) > _NAMED else ""
        return f"{self.rule}: {named}{more}; {self.mend}."


def find_table_faults(table: pa.Table, root: Path) -> list[Fault]:
    """Check a table with the columns of a manifest, whose shards lie below `root`, against every rule."""
    found = [
        _duplicate_ids(table),
        _unknown_splits(table),
        _patients_in_two_splits(table),
        _without_images(table),
        _unknown_views(table),
        _unknown_certainties(table),
        _unknown_findings(table),
        _unknown_findings_of_boxes(table),
        _boxes_of_absent_images(table),
        *_mask_faults(table),
        *_grade_faults(table),
        _nothing_to_say(table),
        *_missing_files(table, root),
    ]
    return [fault for fault in found if fault is not None]


def _fault(table: pa.Table, rows: pa.Array | Sequence[int], *, rule: str, mend: str) -> Fault | None:
    numbers = rows if isinstance(rows, list) else pc.unique(rows).to_pylist()
    if not numbers:
        return None
    ids = tuple(table["id"].take(numbers[:_NAMED]).to_pylist())
    return Fault(rule=rule, mend=mend, rows=tuple(numbers), ids=ids)


def _rows_where(mask: pa.ChunkedArray) -> pa.Array:
    return pc.indices_nonzero(mask)


def _duplicate_ids(table: pa.Table) -> Fault | None:
    counts = pc.value_counts(table["id"])
    repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    rows = _rows_where(pc.is_in(table["id"], repeated))
    return _fault(table, rows, rule="duplicate ids", mend="keep one row of each id, or give each its own")


def _unknown_splits(table: pa.Table) -> Fault | None:
    known = [split.value for split in Split]
    rows = _rows_where(pc.invert(pc.is_in(table["split"], pa.array(known))))
    return _fault(table, rows, rule="unknown splits", mend=f"use one of {', '.join(known)}")


def _patients_in_two_splits(table: pa.Table) -> Fault | None:
    keys = ["source", "patient"]
    counts = table.select([*keys, "split"]).group_by(keys).aggregate([("split", "count_distinct")])
    torn = counts.filter(pc.greater(counts["split_count_distinct"], 1)).select(keys)
    if torn.num_rows == 0:
        return None
    numbered = table.select(keys).append_column("row", pa.array(range(table.num_rows), pa.int64()))
    rows = sorted(numbered.join(torn, keys, join_type="left semi")["row"].to_pylist())
    mend = "put all studies of a patient into one split, or scores on unseen patients mean nothing"
    return _fault(table, rows, rule="patients in two splits", mend=mend)


def _without_images(table: pa.Table) -> Fault | None:
    rows = _rows_where(pc.equal(pc.list_value_length(table["images"]), 0))
    return _fault(table, rows, rule="studies without images", mend="leave these rows out")


def _unknown_views(table: pa.Table) -> Fault | None:
    known = [view.value for view in View]
    parents, images = _flat(table["images"])
    rows = parents.filter(pc.invert(pc.is_in(images.field("view"), pa.array(known))))
    return _fault(table, rows, rule="unknown views", mend=f"use one of {', '.join(known)}")


def _unknown_certainties(table: pa.Table) -> Fault | None:
    known = [certainty.value for certainty in Certainty]
    parents, findings = _flat(table["findings"].cast(_ENTRIES))
    rows = parents.filter(pc.invert(pc.is_in(findings.field("value"), pa.array(known))))
    return _fault(table, rows, rule="unknown certainties of findings", mend=f"use one of {', '.join(known)}")


def _unknown_findings(table: pa.Table) -> Fault | None:
    parents, findings = _flat(table["findings"].cast(_ENTRIES))
    return _not_canonical(table, parents, findings.field("key"), rule="findings without a canonical name")


def _unknown_findings_of_boxes(table: pa.Table) -> Fault | None:
    parents, boxes = _flat(table["boxes"])
    return _not_canonical(table, parents, boxes.field("finding"), rule="boxes of findings without a canonical name")


def _not_canonical(table: pa.Table, parents: pa.Array, names: pa.Array, *, rule: str) -> Fault | None:
    """Prompts and figures look findings up by their canonical name."""
    foreign = pc.invert(pc.is_in(names, pa.array(KNOWN_FINDINGS)))
    mends = map(_right_name, pc.unique(names.filter(foreign)).to_pylist()[:_NAMED])
    return _fault(table, parents.filter(foreign), rule=rule, mend=", ".join(mends))


def _right_name(name: str) -> str:
    try:
        return f"write {canonical(name)!r} for {name!r}"
    except PromptError:
        return f"leave out {name!r}, which is no known finding"


def _boxes_of_absent_images(table: pa.Table) -> Fault | None:
    parents, boxes = _flat(table["boxes"])
    return _beyond_images(table, parents, boxes.field("image"), what="boxes")


def _beyond_images(table: pa.Table, parents: pa.Array, places: pa.Array, *, what: str) -> Fault | None:
    images = pc.list_value_length(table["images"]).take(parents)
    rows = parents.filter(pc.or_(pc.less(places, 0), pc.greater_equal(places, images)).combine_chunks())
    mend = f"number the images of a study from 0, and leave out {what} of images that are not there"
    return _fault(table, rows, rule=f"{what} beyond the images of their study", mend=mend)


def _mask_faults(table: pa.Table) -> list[Fault | None]:
    """Masks of no known finding, of absent images, and whose runs do not add up to their pixels."""
    parents, masks = _flat(table["masks"])
    sums = np.zeros(len(masks), np.int64)
    runs = masks.field("runs")
    np.add.at(sums, pc.list_parent_indices(runs).to_numpy(), pc.list_flatten(runs).to_numpy())
    pixels = np.multiply(masks.field("height").to_numpy(), masks.field("width").to_numpy(), dtype=np.int64)
    mend = "write the runs of all pixels, those without the finding first, down the columns"
    return [
        _not_canonical(table, parents, masks.field("finding"), rule="masks of findings without a canonical name"),
        _beyond_images(table, parents, masks.field("image"), what="masks"),
        _fault(table, parents.filter(pa.array(sums != pixels)), rule="masks that do not fit their size", mend=mend),
    ]


def _grade_faults(table: pa.Table) -> list[Fault | None]:
    """Grades of no known finding, and those below 0."""
    parents, grades = _flat(table["grades"].cast(_GRADES))
    below = parents.filter(pc.less(pc.fill_null(grades.field("value"), -1), 0))
    return [
        _not_canonical(table, parents, grades.field("key"), rule="grades of findings without a canonical name"),
        _fault(table, below, rule="grades below 0", mend="write whole numbers from 0, which is none of the finding"),
    ]


def _nothing_to_say(table: pa.Table) -> Fault | None:
    """Such a study gives training no text."""
    parents, sections = _flat(table["sections"].cast(_ENTRIES))
    filled = pc.greater(pc.fill_null(pc.utf8_length(sections.field("value")), 0), 0)
    told = pc.and_(pc.is_in(sections.field("key"), pa.array(REPORT_SECTIONS)), filled)
    rows = pa.array(range(table.num_rows), pa.int64())
    silent = pc.invert(pc.is_in(rows, parents.filter(told).cast(pa.int64())))
    unlabelled = pc.equal(pc.list_value_length(table["findings"].cast(_ENTRIES)), 0)
    mend = f"leave these rows out, or add {' or '.join(REPORT_SECTIONS)} text or labels"
    return _fault(
        table, _rows_where(pc.and_(unlabelled, silent)), rule="studies with neither text nor findings", mend=mend
    )


def _missing_files(table: pa.Table, root: Path) -> list[Fault | None]:
    """Images in no shard, outside of the folder, in an absent shard, or beyond the end of theirs."""
    parents, images = _flat(table["images"])
    shards = images.field("shard")
    never = parents.filter(pc.is_null(shards))
    places = {name: path_inside(root, name) for name in pc.unique(shards).to_pylist() if name is not None}
    outside = sorted(name for name, place in places.items() if place is None)
    elsewhere = parents.filter(pc.fill_null(pc.is_in(shards, pa.array(outside, pa.string())), False))
    sizes = {name: _size(place) for name, place in places.items() if place is not None}
    absent = sorted(name for name, size in sizes.items() if size is None)
    lost = parents.filter(pc.fill_null(pc.is_in(shards, pa.array(absent, pa.string())), False))
    ends = pc.add(images.field("offset"), images.field("length"))
    there = pa.array([name for name, size in sizes.items() if size is not None], pa.string())
    room = pa.array([size for size in sizes.values() if size is not None], pa.int64()).take(pc.index_in(shards, there))
    stay = "bring the shards into it; the folder may be a link, a shard itself may be no link out of it"
    cut = parents.filter(pc.fill_null(pc.greater(ends, room), False))
    again = f"bring the shards back to {root}, or prepare the data set again"
    return [
        _fault(table, never, rule="images that are in no shard", mend="prepare the data set again"),
        _fault(table, elsewhere, rule="shards outside of the folder", mend=stay),
        _fault(table, lost, rule=f"missing files ({', '.join(absent[:_NAMED])}, {len(absent)} in all)", mend=again),
        _fault(table, cut, rule="missing files (shards that end too early)", mend=again),
    ]


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _flat(lists: pa.ChunkedArray) -> tuple[pa.Array, pa.StructArray]:
    """The row number of each element of a list column, and the elements."""
    array = lists.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], lists.type)
    return pc.list_parent_indices(array), pc.list_flatten(array)
