"""The files of an index folder: vectors and rows under new names, and one manifest.json that is renamed last.

A reader sees what manifest.json names: the old files or the new ones. One writer at a time, which holds a lock.
"""

import fcntl
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cxr_clip.errors import SearchIndexError
from cxr_clip.inside import path_inside
from cxr_clip.search.vectors import Kind, Probing
from cxr_clip.whole_files import write_whole

MANIFEST = "manifest.json"
LOCK = "writer.lock"
FORMAT = 1
_NAMES = re.compile(r"(vectors|rows)-\d{6}\.(faiss|parquet)")


@dataclass(frozen=True)
class StoredFile:
    """A file of an index, by which damage shows."""

    name: str
    sha256: str


@dataclass(frozen=True)
class IndexFiles:
    """What manifest.json says: of which model an index is, how it is searched, and where it lies."""

    model: str
    dim: int
    kind: Kind
    turn: int
    vectors: StoredFile
    rows: StoredFile
    probing: Probing | None = None
    format: int = FORMAT


def stored(path: Path) -> StoredFile:
    """A file that was written, with its digest."""
    with path.open("rb") as file:
        return StoredFile(path.name, hashlib.file_digest(file, "sha256").hexdigest())


def read_files(folder: Path) -> IndexFiles:
    """Read manifest.json. Raises SearchIndexError."""
    path = folder / MANIFEST
    if not path.is_file():
        raise SearchIndexError(
            f"no index at {folder}: make one with `cxr-clip index build EMBEDDINGS.parquet {folder}`"
        )
    try:
        said = json.loads(path.read_text("utf-8"))
        if said["format"] != FORMAT:
            raise SearchIndexError(
                f"{path} has format {said['format']}, this version of cxr-clip reads {FORMAT}: make the index again"
            )
        files = {name: StoredFile(**said[name]) for name in ("vectors", "rows")}
        probing = Probing(**said["probing"]) if said["probing"] else None
        found = IndexFiles(**{**said, **files, "probing": probing})
        if found.kind not in ("exact", "lists") or not all(_NAMES.fullmatch(one.name) for one in files.values()):
            raise ValueError("it names a kind or a file that no index has")
        counts = (found.dim, found.turn, *((probing.lists,) if probing else ()))
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise ValueError("a count in it is none")
    except (ValueError, KeyError, TypeError) as error:
        raise SearchIndexError(f"{path} is damaged ({error}): make the index again in a new folder") from error
    return found


def check(folder: Path, file: StoredFile) -> Path:
    """The path of a file that is as it was written. Raises SearchIndexError."""
    path = path_inside(folder, file.name)
    if path is None:
        raise SearchIndexError(f"{folder / file.name} leads out of the folder: make the index again in a new folder")
    if not path.is_file():
        raise SearchIndexError(f"{path} is absent: make the index again in a new folder")
    if stored(path) != file:
        raise SearchIndexError(f"{path} is not as it was written: make the index again in a new folder")
    return path


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of an index, which ends with its process; a disk without locks counts as free.

    Raises SearchIndexError where another process writes there, or the folder cannot be written.
    """
    try:
        file = (folder / LOCK).open("a")
    except OSError as error:
        raise SearchIndexError(
            f"{folder} cannot be written to ({error.strerror}): mend its permissions, or copy it"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SearchIndexError(f"another process is changing {folder}: wait until it has ended") from error
        except OSError:
            pass  # a disk without locks
        yield


def publish(folder: Path, files: IndexFiles) -> None:
    """Make the new files those of the index, and take all older ones away."""
    write_whole(folder / MANIFEST, json.dumps(asdict(files), indent=1))
    for path in folder.iterdir():
        if _NAMES.fullmatch(path.name) and path.name not in (files.vectors.name, files.rows.name):
            path.unlink(missing_ok=True)
