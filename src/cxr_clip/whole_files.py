"""Files that are there whole or not at all."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cxr_clip.errors import OutputError


def refuse_places(wanted: Iterable[Path], *, kept: Iterable[Path]) -> None:
    """Raise OutputError where one of several files cannot be written.

    A folder is there, or one of the files that are kept, or two are wanted under one name (links are followed), or
    nothing can be written there.
    """
    taken = {path.resolve() for path in kept}
    for path in wanted:
        _refuse_folder(path)
        refuse_unwritable(path)
        if path.resolve() in taken:
            raise OutputError(f"writing {path} would replace a file that is read or written here: give another name")
        taken.add(path.resolve())


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Another name to write a file under, which gets its own at the end; after an error nothing of it stays.

    Folders are made. A reader never sees half of the file. Raises OutputError where a folder has the name, or none can
    be made.
    """
    _refuse_folder(path)
    make_folder(path.parent)
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> Path:
    """Write a text, whole or not at all; folders are made. Raises OutputError, as `whole_file` does."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there. Raises OutputError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"no folder can be made at {path} ({error.strerror}): give another place") from error


def refuse_unwritable(path: Path) -> None:
    """Raise OutputError where nothing can be made at `path`: what is there above it is a file, or read-only."""
    there = next(parent for parent in path.absolute().parents if parent.exists())
    if not there.is_dir():
        raise OutputError(f"{path} cannot be written, as {there} is a file: give another place")
    if not os.access(there, os.W_OK):
        raise OutputError(f"{path} cannot be written, as nothing may be written in {there}: give another place")


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a folder: give the name of a file")
