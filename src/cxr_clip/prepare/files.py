"""Find and read what lies in a raw folder, however deep the archives were unpacked."""

import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from cxr_clip.errors import SourceError

Value = TypeVar("Value")


@dataclass(frozen=True)
class RawFiles:
    """All files below a raw folder, by their paths relative to it, in a fixed order; hidden ones are left out."""

    root: Path
    paths: tuple[str, ...]

    def named(self, *names: str) -> Path | None:
        """The first of these file names that is there (the least deep one of each), or None."""
        for name in names:
            here = (path for path in self.paths if path.endswith(name) and path.rpartition("/")[2] == name)
            found = min(here, key=lambda path: path.count("/"), default=None)
            if found is not None:
                return self.root / found
        return None

    def require(self, *names: str, what: str) -> Path:
        """Like `named`; raises SourceError if none of the files is there."""
        found = self.named(*names)
        if found is None:
            raise SourceError(
                f"{self.root} has no {' or '.join(names)} ({what}) in it or below it: put the file there, "
                "or name the folder that holds it"
            )
        return found

    def with_suffix(self, *suffixes: str) -> Iterator[PurePosixPath]:
        """The files whose name ends so (in any case), those of the first suffix first."""
        for suffix in suffixes:
            yield from map(PurePosixPath, self.texts_with_suffix(suffix))

    def texts_with_suffix(self, suffix: str) -> Iterator[str]:
        """The paths of the files whose name ends so (in any case), as text."""
        return (path for path in self.paths if path.lower().endswith(suffix) and PurePosixPath(path).suffix)


def list_files(root: Path) -> RawFiles:
    """Walk a raw folder once, through links too. Raises SourceError if there is no such folder."""
    if not root.is_dir():
        raise SourceError(f"there is no folder {root}: name the folder that the download was unpacked into")
    found: list[str] = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(folder).relative_to(root).as_posix()
        start = "" if here == "." else f"{here}/"
        found.extend(start + name for name in names if not name.startswith("."))
    # By folder: no name has a zero byte, and none of its characters comes before it.
    found.sort(key=lambda path: path.replace("/", "\0"))
    return RawFiles(root, tuple(found))


def read_lines(file: Path) -> list[str]:
    """The lines of a text file, stripped, empty ones left out. Raises SourceError if it is absent or no text."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read as UTF-8 text ({error}): download it again") from error
    return [line.strip() for line in lines if line.strip()]


def read_columns(file: Path, columns: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """The values of the named columns of a CSV file, row by row, stripped.

    Raises SourceError if the file is absent, is no text, or lacks a column.
    """
    wanted = tuple(columns)
    header, rows = read_csv(file)
    missing = [name for name in wanted if name not in header]
    if missing:
        raise SourceError(f"{file} has no column {', '.join(missing)}; its columns are {', '.join(header)}")
    places = [header.index(name) for name in wanted]
    for number, row in enumerate(rows, start=2):
        if len(row) <= max(places):
            raise SourceError(f"{file} line {number} has {len(row)} values, fewer than its header: download it again")
        yield tuple(row[place] for place in places)


def by_key(file: Path, rows: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    """The rows of a table (from line 2 on) by their key.

    Raises SourceError where a key comes again with another value; the same row twice is fine.
    """
    known: dict[str, tuple[int, Value]] = {}
    for line, (key, value) in enumerate(rows, start=2):
        before, other = known.setdefault(key, (line, value))
        if other != value:
            raise SourceError(f"{file} line {line} says of {key} something else than line {before}: keep one of them")
    return {key: value for key, (_, value) in known.items()}


def read_csv(file: Path) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a CSV file, stripped, empty rows left out. Raises SourceError."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = [[value.strip() for value in row] for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{file} cannot be read as CSV: {error}") from error
    if not rows:
        raise SourceError(f"{file} is empty: download it again")
    return rows[0], rows[1:]
