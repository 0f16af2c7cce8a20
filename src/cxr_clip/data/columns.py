"""Columns of a manifest as plain arrays, so that half a million images are counted without making objects of them."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cxr_clip.data.reports import REPORT_SECTIONS

_ENTRIES = pa.list_(pa.struct([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string())]))


def elements(table: pa.Table, name: str) -> tuple[NDArray[np.int64], pa.StructArray]:
    """The row of each element of a list column, and the elements."""
    array = one_array(table[name])
    return np.asarray(pc.list_parent_indices(array), dtype=np.int64), pc.list_flatten(array)


def entries(table: pa.Table, name: str) -> tuple[NDArray[np.int64], pa.Array, pa.Array]:
    """The row, the key and the value of each entry of a map column."""
    array = one_array(table[name].cast(_ENTRIES))
    flat = pc.list_flatten(array)
    rows = np.asarray(pc.list_parent_indices(array), dtype=np.int64)
    return rows, flat.field("key"), flat.field("value")


def lengths(table: pa.Table, name: str) -> NDArray[np.int64]:
    """How many elements or entries each row has."""
    column = table[name]
    column = column.cast(_ENTRIES) if pa.types.is_map(column.type) else column
    return np.asarray(pc.fill_null(pc.list_value_length(column), 0), dtype=np.int64)


def has_reports(table: pa.Table) -> bool:
    """Whether any study has findings or an impression."""
    _, sections, texts = entries(table, "sections")
    told = pc.and_(pc.is_in(sections, pa.array(REPORT_SECTIONS)), pc.greater(pc.utf8_length(texts), 0))
    return bool(pc.any(told).as_py())


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """The chunks of a column as one array."""
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def counts_of(values: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    """How often each value comes, the most frequent first; absent ones are left out."""
    counted = pc.value_counts(values)
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    return dict(sorted(((value, count) for value, count in pairs if value is not None), key=lambda p: (-p[1], p[0])))


def counts_of_numbers(numbers: NDArray[np.int64]) -> dict[int, int]:
    """How often each number comes, in their order."""
    values, counts = np.unique(numbers, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True)}


def quantiles(values: NDArray[np.integer] | NDArray[np.floating]) -> Mapping[str, float]:
    """The smallest, the 5 %, 50 % and 95 % quantiles and the largest; nothing of nothing."""
    if values.size == 0:
        return {}
    names = ("smallest", "q05", "median", "q95", "largest")
    found = np.quantile(values, (0, 0.05, 0.5, 0.95, 1), method="closest_observation")
    return {name: round(float(value), 2) for name, value in zip(names, found, strict=True)}
