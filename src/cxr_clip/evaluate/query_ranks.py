"""The rank of every retrieval query, in ranks.parquet beside the report, for a later comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import EvaluationError
from cxr_clip.study import Study
from cxr_clip.whole_files import whole_file

RANKS = "ranks.parquet"
_COLUMNS = ("study", "patient", "benchmark", "direction", "pool", "rank")


@dataclass(frozen=True, eq=False)
class QueryRanks:
    """One benchmark's ranks, from 1, in one direction ("image_to_text", "text_to_image") among `pool` targets.

    A query is named by its study; a text that several studies share, by the first of them.
    """

    benchmark: str
    direction: str
    pool: int
    studies: tuple[str, ...]
    patients: tuple[str, ...]
    ranks: NDArray[np.int64]


def query_ranks(
    benchmark: str, direction: str, studies: Sequence[Study], ranks: NDArray[np.int64], *, pool: int
) -> QueryRanks:
    """Name the studies of the queries."""
    return QueryRanks(
        benchmark, direction, pool, tuple(one.id for one in studies), tuple(one.patient for one in studies), ranks
    )


def write_ranks(path: Path, ranks: Sequence[QueryRanks]) -> Path:
    """Write the ranks as a table of six columns, one row a query, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "study": chain.from_iterable(one.studies for one in ranks),
        "patient": chain.from_iterable(one.patients for one in ranks),
        "benchmark": (one.benchmark for one in ranks for _ in one.studies),
        "direction": (one.direction for one in ranks for _ in one.studies),
        "pool": (one.pool for one in ranks for _ in one.studies),
        "rank": (int(rank) for one in ranks for rank in one.ranks),
    }
    kinds = {"pool": pa.int64(), "rank": pa.int64()}
    schema = pa.schema([pa.field(name, kinds.get(name, pa.string()), nullable=False) for name in _COLUMNS])
    with whole_file(path) as partial:
        pq.write_table(pa.table({name: list(values) for name, values in columns.items()}, schema), partial)
    return path


def read_ranks(folder: Path) -> tuple[QueryRanks, ...]:
    """Read what `write_ranks` wrote into an evaluation's folder; empty where that measured no retrieval.

    Raises EvaluationError where the file is no table of ranks.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = folder / RANKS
    if not file.is_file():
        return ()
    try:
        table = pq.read_table(file).select(_COLUMNS)
    except (pa.ArrowInvalid, KeyError, OSError) as error:
        raise EvaluationError(f"{file} is no table of ranks ({error}): evaluate the run again") from error
    rows = zip(*(table.column(name).to_pylist() for name in _COLUMNS), strict=True)
    return tuple(_from_rows(list(of_one)) for _, of_one in groupby(rows, key=lambda row: row[2:5]))


def _from_rows(rows: list[tuple[str, str, str, str, int, int]]) -> QueryRanks:
    studies, patients, benchmarks, directions, pools, ranks = zip(*rows, strict=True)
    return QueryRanks(benchmarks[0], directions[0], pools[0], studies, patients, np.asarray(ranks, dtype=np.int64))
