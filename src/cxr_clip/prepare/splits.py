"""Put a study on one side of a split by a hash: the same on every machine, whatever else is in the folder."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from cxr_clip.errors import SourceError
from cxr_clip.prepare.files import by_key, read_columns
from cxr_clip.study import Split

_SPELLINGS = {
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("validate", "valid", "val", "validation", "dev"), Split.VALIDATE),
    **dict.fromkeys(("test", "testing"), Split.TEST),
}


def fraction(key: str) -> float:
    """A number in [0, 1) that depends on the key alone (the first 8 bytes of its SHA-256)."""
    return int.from_bytes(hashlib.sha256(key.encode("utf-8")).digest()[:8], "big") / 2**64


def split_by_hash(key: str) -> Split:
    """80 % train, 10 % validate, 10 % test; equal keys come to the same side."""
    place = fraction(key)
    if place < 0.8:
        return Split.TRAIN
    return Split.VALIDATE if place < 0.9 else Split.TEST


def read_splits(file: Path) -> dict[str, Split]:
    """The split of each report, by its id without "CXR", from a CSV with the columns `uid` and `split`.

    Raises SourceError for another split, or a report that comes again in another one.
    """
    return by_key(file, _rows(file))


def _rows(file: Path) -> Iterator[tuple[str, Split]]:
    for line, (report, name) in enumerate(read_columns(file, ("uid", "split")), start=2):
        if name.lower() not in _SPELLINGS:
            raise SourceError(f"{file} line {line} has the split {name!r}; use train, validate or test")
        yield report.removeprefix("CXR"), _SPELLINGS[name.lower()]
