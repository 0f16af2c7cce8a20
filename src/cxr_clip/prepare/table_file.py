"""Read the named columns of a CSV or Parquet file, row by row, whatever its size."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO, TypeAlias, cast

import pyarrow as pa
import pyarrow.parquet as pq

from cxr_clip.errors import SourceError

# A value as text, "" where there is none; a list where Parquet has a list.
Cell: TypeAlias = "str | list[Cell]"

TABLE_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet")
_BATCH = 4096


def is_table(name: str) -> bool:
    """Whether a file name ends like a table that can be read here."""
    return name.lower().endswith(TABLE_SUFFIXES)


def table_columns(file: Path) -> tuple[str, ...]:
    """The names of all columns. Raises SourceError if the file is no table, or names a column twice."""
    if _is_parquet(file):
        with _parquet(file) as parquet:
            return tuple(parquet.schema_arrow.names)
    with _csv(file) as stream:
        return _header(file, _reader(file, stream))


def table_rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    """The values of the named columns, row by row, stripped; empty rows are passed over.

    Raises SourceError if a column is missing, a row is shorter than the header, or the file is damaged.
    """
    missing = [name for name in columns if name not in table_columns(file)]
    if missing:
        raise SourceError(
            f"{file} has no column {', '.join(missing)}; its columns are {', '.join(table_columns(file))}"
        )
    yield from _parquet_rows(file, columns) if _is_parquet(file) else _csv_rows(file, columns)


def text_rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Like `table_rows` for a table that has no lists. Raises SourceError where there is one."""
    for number, row in enumerate(table_rows(file, columns), start=2):
        texts = tuple(cell for cell in row if isinstance(cell, str))
        if len(texts) != len(row):
            raise SourceError(f"{file} row {number} holds a list in one of {', '.join(columns)}; give a plain value")
        yield texts


def _is_parquet(file: Path) -> bool:
    return file.suffix.lower() == ".parquet"


def _csv_rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    with _csv(file) as stream:
        reader = _reader(file, stream)
        header = _header(file, reader)
        places = [header.index(name) for name in columns]
        for number, row in enumerate(reader, start=2):
            if not row:
                continue
            if len(row) < len(header):
                raise SourceError(
                    f"{file} row {number} has {len(row)} values instead of {len(header)}: the file is cut off or "
                    "damaged, get it again"
                )
            yield tuple(row[place].strip() for place in places)


def _reader(file: Path, stream: TextIO) -> "Iterator[list[str]]":
    return csv.reader(stream, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")


def _header(file: Path, reader: Iterator[list[str]]) -> tuple[str, ...]:
    header = tuple(name.strip() for name in next(reader, []))
    if not header:
        raise SourceError(f"{file} is empty: get it again")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise SourceError(f"{file} has several columns called {', '.join(twice)}: keep one of each")
    return header


@contextmanager
def _csv(file: Path) -> Iterator[TextIO]:
    """The text of a CSV file; what goes wrong while it is read becomes SourceError."""
    try:
        with file.open("rb") as raw:
            unpacked = gzip.GzipFile(fileobj=raw) if file.suffix.lower() == ".gz" else raw
            yield io.TextIOWrapper(cast(IO[bytes], unpacked), encoding="utf-8-sig", newline="")
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise SourceError(f"{file} cannot be read as CSV in UTF-8 ({error}): get it again, or convert it") from error


@contextmanager
def _parquet(file: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(file) as parquet:
            yield parquet
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise SourceError(f"{file} cannot be read as Parquet ({error}): get it again") from error


def _parquet_rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    with _parquet(file) as parquet:
        for batch in parquet.iter_batches(_BATCH, columns=list(columns)):
            values = [batch.column(name).to_pylist() for name in columns]
            for row in zip(*values, strict=True):
                yield tuple(map(_cell, row))


def _cell(value: object) -> Cell:
    """A Parquet value in the form of a CSV one; a truth value as 1 or 0, not-a-number as no value."""
    if isinstance(value, list):
        return [_cell(item) for item in value]
    if value is None or value != value:  # noqa: PLR0124 - the test for not-a-number
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value).strip()
