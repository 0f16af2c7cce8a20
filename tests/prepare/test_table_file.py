"""CSV and Parquet give the same rows; damaged tables are refused with their name."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxr_clip.errors import SourceError
from cxr_clip.prepare.label_values import certainty_of, is_blank, sex_of, years_of
from cxr_clip.prepare.table_file import is_table, table_columns, table_rows, text_rows
from cxr_clip.study import Certainty

CSV = 'id,path,note\n1,a.png,"two\nlines, one comma"\n\n2, b.png ,\n'
ROWS = [("a.png", "1"), ("b.png", "2")]


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, Path]:
    written = {suffix: tmp_path / f"t{suffix}" for suffix in (".csv", ".csv.gz", ".tsv", ".parquet")}
    written[".csv"].write_bytes(b"\xef\xbb\xbf" + CSV.encode())
    written[".csv.gz"].write_bytes(gzip.compress(CSV.encode()))
    written[".tsv"].write_text("id\tpath\tnote\n1\ta.png\tx\n2\tb.png\t\n")
    pq.write_table(pa.table({"id": [1, 2], "path": ["a.png", "b.png"], "note": ["x", None]}), written[".parquet"])
    return written


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".tsv", ".parquet"])
def test_every_form_gives_the_same_rows(tables: dict[str, Path], suffix: str) -> None:
    file = tables[suffix]
    assert is_table(file.name)
    assert table_columns(file) == ("id", "path", "note")
    assert list(table_rows(file, ["path", "id"])) == ROWS
    assert list(text_rows(file, ["path", "id"])) == ROWS
    with pytest.raises(SourceError, match=r"no column age; its columns are id, path, note"):
        list(table_rows(file, ["age"]))


def test_parquet_values_become_text_and_lists_stay(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(
        pa.table({
            "list": [["a", "b"], None],
            "deep": [[["x"], []], []],
            "number": [1.5, float("nan")],
            "truth": [True, None],
        }),
        file,
    )  # fmt: skip
    assert list(table_rows(file, ["list", "deep", "number", "truth"])) == [
        (["a", "b"], [["x"], []], "1.5", "1"),
        ("", [], "", ""),
    ]
    with pytest.raises(SourceError, match="row 2 holds a list"):
        list(text_rows(file, ["list"]))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"id,path\n1\n", "row 2 has 1 values instead of 2"),
        ("t.csv", b"id,id\n1,2\n", "several columns called id"),
        ("t.csv", b"id\n\xff\n", "cannot be read as CSV"),
        ("t.csv", b'id\n"' + b"x" * 200_000 + b'"\n', "field larger than field limit"),
        ("t.csv.gz", b"no gzip", "cannot be read as CSV"),
        ("t.csv.gz", gzip.compress(b"id\n" + bytes(range(65, 91)) * 50, mtime=0)[:40], "cannot be read as CSV"),
        ("t.parquet", b"PAR1", "cannot be read as Parquet"),
    ],
)
def test_damaged_tables_are_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(data)
    with pytest.raises(SourceError, match=message):
        list(table_rows(file, table_columns(file)))


def test_texts_in_parquet_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    data = pa.py_buffer(b"\xcc\xff")
    offsets = pa.py_buffer(np.array([0, 2], np.int32).tobytes())
    pq.write_table(pa.table({"id": pa.StringArray.from_buffers(1, offsets, data)}), tmp_path / "t.parquet")
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        list(table_rows(tmp_path / "t.parquet", ["id"]))


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"t\.csv cannot be read"):
        table_columns(tmp_path / "t.csv")


def test_labels_are_of_four_kinds_whatever_program_wrote_them() -> None:
    assert {certainty_of(text) for text in ("1", "1.0", "True", "positive")} == {Certainty.POSITIVE}
    assert {certainty_of(text) for text in ("0", "0.0", "-0.0", "FALSE", "negative")} == {Certainty.NEGATIVE}
    assert {certainty_of(text) for text in ("-1", "-1.0", "uncertain")} == {Certainty.UNCERTAIN}
    assert {certainty_of(text) for text in ("", "nan", "None", "NA")} == {None}
    for text in ("2", "0.5", "yes", "inf", "1e400"):
        with pytest.raises(ValueError, match="is none of 1, 0, -1"):
            certainty_of(text)


def test_ages_and_sexes_are_kept_where_they_can_be_a_persons() -> None:
    assert [years_of(text) for text in ("57", "57.5", "018M", "026W", "003D")][:3] == [57, 57.5, 1.5]
    assert [years_of(text) for text in ("", "old", "-3", "411", "nan", "5 years")] == [None] * 6
    assert [sex_of(text) for text in ("M", "male", "F", "Female", "Unknown", "")] == ["M", "M", "F", "F", None, None]
    assert is_blank("NaN")
    assert not is_blank("0")
