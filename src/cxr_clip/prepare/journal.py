"""The journal of a preparation: which parts are done, so that a stopped run continues and a changed one is refused."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cxr_clip.errors import SourceError
from cxr_clip.prepare.records import PrepareOptions, Rejection
from cxr_clip.study import Study


@dataclass(frozen=True)
class Part:
    """A finished shard: the digest of the drafts that it was made from, its counts, and what was left out."""

    digest: str
    studies: int
    images: int
    splits: dict[str, int]
    rejections: tuple[Rejection, ...]


class Journal:
    """The folder `unfinished/` of a prepared data set: one table and one note for each finished shard."""

    def __init__(self, out: Path) -> None:
        self._folder = out / "unfinished"

    def begin(self, source: str, options: PrepareOptions) -> None:
        """Start, or continue what the same source and options began; raises SourceError for others."""
        asked = identity(source, options)
        note = self._folder / "run.json"
        if note.is_file():
            require_same(json.loads(note.read_text("utf-8")), asked, self._folder.parent)
        write_atomically(note, json.dumps(asked))

    def table(self, number: int) -> Path:
        """Where the studies of a part are kept until the end."""
        return self._folder / f"part-{number:05d}.parquet"

    def _note(self, number: int) -> Path:
        return self._folder / f"part-{number:05d}.json"

    def read(self, number: int) -> Part | None:
        """A finished part, or None."""
        if not self._note(number).is_file():
            return None
        values = json.loads(self._note(number).read_text("utf-8"))
        rejections = tuple(Rejection(**row) for row in values.pop("rejections"))
        return Part(**values, rejections=rejections)

    def write(self, number: int, part: Part) -> None:
        """Declare a part finished; its shard and its table must be whole."""
        write_atomically(self._note(number), json.dumps(asdict(part)))

    def remove(self) -> None:
        """Forget everything, once the manifest is written."""
        shutil.rmtree(self._folder, ignore_errors=True)


def identity(source: str, options: PrepareOptions) -> dict[str, str | int | None]:
    """What must be equal for a run to continue another; the number of processes need not be."""
    return {
        "source": source,
        "short_side": options.short_side,
        "limit": options.limit,
        "studies_per_shard": options.studies_per_shard,
    }


def require_same(was: dict[str, str | int | None], asked: dict[str, str | int | None], out: Path) -> None:
    """Raise SourceError if a folder was begun with another source or other options."""
    differing = [f"{name} {was.get(name)}, now {value}" for name, value in asked.items() if was.get(name) != value]
    if differing:
        raise SourceError(
            f"{out} was prepared with other settings ({'; '.join(differing)}): choose another folder or delete this one"
        )


def digest(drafts: Sequence[Study | Rejection], raw: Path) -> str:
    """A fingerprint of drafts: changes with any text, label, split, image path, or size of an image file below `raw`.

    Times of files do not count, so that a copy of the raw folder is the same data.
    """
    sizes = [_size(raw / image.path) for draft in drafts if isinstance(draft, Study) for image in draft.images]
    text = "\n".join([*map(repr, drafts), repr(sizes)])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)
