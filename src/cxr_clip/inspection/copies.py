"""Whose the images are that are there twice: of one study, of one patient, of several, of two splits."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cxr_clip.data.columns import elements
from cxr_clip.data.faults import Fault
from cxr_clip.inspection.duplicates import Groups

_SHOWN = 12
_NAMED = 3


@dataclass(frozen=True)
class Copy:
    """One image of a group of equal ones; `image` is its number in its study."""

    row: int
    study: str
    patient: str
    split: str
    image: int
    path: str


@dataclass(frozen=True)
class Copies:
    """Groups of equal images: how many, of how many images, and how many reach over patients and over splits.

    `examples` are some of the groups, those that reach farthest first; `torn` the rows of all groups in two splits.
    """

    groups: int
    images: int
    over_studies: int
    over_patients: int
    over_splits: int
    examples: tuple[tuple[Copy, ...], ...]
    torn: tuple[int, ...]


def find_copies(groups: Groups, table: pa.Table) -> Copies:
    """Say whose the images of each group are."""
    rows, images = elements(table, "images")
    studies = rows
    patients = _codes(table, "source", "patient")[rows]
    splits = _codes(table, "split")[rows]
    reach = np.asarray(
        [[_several(codes[group]) for codes in (studies, patients, splits)] for group in groups], dtype=np.int64
    ).reshape(-1, 3)
    members = list(groups)
    farthest = np.argsort(-reach.sum(axis=1), kind="stable")[:_SHOWN]
    torn = [rows[members[place]] for place in np.flatnonzero(reach[:, 2])]
    return Copies(
        groups=len(groups),
        images=len(groups.members),
        over_studies=int(reach[:, 0].sum()),
        over_patients=int(reach[:, 1].sum()),
        over_splits=int(reach[:, 2].sum()),
        examples=tuple(_named(members[place], rows, images, table) for place in farthest),
        torn=tuple(sorted({int(row) for found in torn for row in found})),
    )


def torn_copies(copies: Copies, table: pa.Table) -> tuple[Fault, ...]:
    """The fault that the same file is in two splits."""
    if not copies.torn:
        return ()
    ids = tuple(table["id"].take(list(copies.torn[:_NAMED])).to_pylist())
    mend = "keep each image in one split, or scores on unseen patients mean nothing"
    return (Fault(rule="the same image in two splits", mend=mend, rows=copies.torn, ids=ids),)


def _codes(table: pa.Table, *names: str) -> NDArray[np.int64]:
    """A number for each distinct value of a column, or of several together."""
    combined = np.zeros(table.num_rows, dtype=np.int64)
    for name in names:
        column = table[name].combine_chunks().dictionary_encode()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        combined = combined * (len(column.dictionary) + 1) + np.asarray(column.indices, dtype=np.int64)
    return combined


def _several(codes: NDArray[np.int64]) -> bool:
    return bool((codes != codes[0]).any())


def _named(
    members: NDArray[np.int64], rows: NDArray[np.int64], images: pa.StructArray, table: pa.Table
) -> tuple[Copy, ...]:
    return tuple(_copy(int(number), rows, images, table) for number in members[:_NAMED])


def _copy(number: int, rows: NDArray[np.int64], images: pa.StructArray, table: pa.Table) -> Copy:
    row = int(rows[number])
    study, patient, split = (table[name][row].as_py() for name in ("id", "patient", "split"))
    first = int(np.searchsorted(rows, row))
    return Copy(row, study, patient, split, number - first, images[number]["path"].as_py())
