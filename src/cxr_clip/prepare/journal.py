"""The journal of a preparation: which parts are done, so that a stopped run continues and a changed one is refused."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.data.manifest import UNFINISHED
from cxr_clip.data.provenance import Provenance
from cxr_clip.errors import SourceError
from cxr_clip.prepare.records import PrepareOptions, Rejection
from cxr_clip.study import Study
from cxr_clip.whole_files import write_whole

# What must be equal for a run to continue another.
Identity = dict[str, str | int | None]


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
        self._folder = out / UNFINISHED

    def begin(self, run: Identity) -> None:
        """Start, or continue what a run of the same identity began; raises SourceError for another one."""
        there = self.run()
        if there is not None:
            require_same(there, run, self._folder.parent)
        write_whole(self._folder / "run.json", json.dumps(run))

    def run(self) -> Identity | None:
        """The identity of the run that was begun here, or None."""
        note = self._folder / "run.json"
        if not note.is_file():
            return None
        identity: Identity = json.loads(note.read_text("utf-8"))
        return identity

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
        write_whole(self._note(number), json.dumps(asdict(part)))

    def remove(self) -> None:
        """Forget everything, once the manifest is written."""
        shutil.rmtree(self._folder, ignore_errors=True)


def shard(number: int) -> str:
    """The name of a shard, relative to the prepared folder."""
    return f"shards/images-{number:05d}.tar"


def identity(source: str, options: PrepareOptions) -> Identity:
    """What must be equal for a run to continue another: all options but the number of processes.

    Of a salt only what tells it from others.
    """
    apart = ("processes", "ids")
    kept = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in apart}
    run: Identity = {"source": source, "hashed_ids": options.ids.check}
    for name, value in kept.items():
        run[name] = value if value is None or type(value) in (str, int, bool) else str(value)
    return run


def provenance_of_run(run: Identity) -> Provenance:
    """What the manifest of a run is to say of how it was made."""
    windowing, ids = run.get("windowing"), run.get("hashed_ids")
    return Provenance(
        windowing=None if windowing is None else Windowing(str(windowing)),
        hashed_ids=None if ids is None else str(ids),
        labelled_by_rule=bool(run.get("label_reports")),
    )


def require_same(was: Identity, asked: Identity, out: Path) -> None:
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
    return _digest([*map(repr, drafts), repr(sizes)])


def digest_of_texts(drafts: Sequence[Study | Rejection]) -> str:
    """A fingerprint of drafts without their image files, which need not be at hand."""
    return _digest([repr(draft) for draft in drafts])


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
