"""Scans of images kept between audits: what was read of the images of a shard, whichever studies ask for them.

A file for each shard, named by a digest of its place, size and time; images in it are told apart by where they lie. So
audits of parts of a manifest share what they read.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cxr_clip.data.columns import elements
from cxr_clip.data.scan import Scan, scan_images
from cxr_clip.errors import EvaluationError
from cxr_clip.inside import path_inside
from cxr_clip.overlap.nearest import Advance, after
from cxr_clip.whole_files import whole_file

FOUND = ("present", "readable", "digests", "hashes")
# Raised with every change of what a scan holds or how a hash is made.
VERSION = 2


@dataclass(frozen=True)
class _Kept:
    """What is known of the images of one shard, each of which has its offset as its row, in the order of these."""

    lengths: NDArray[np.int64]
    scan: Scan

    def places(self, offsets: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where these images stand in the arrays; -1 for those that are not known."""
        if not len(self.lengths):
            return np.full(len(offsets), -1)
        near = np.minimum(np.searchsorted(self.scan.rows, offsets), len(self.lengths) - 1)
        return np.where((self.scan.rows[near] == offsets) & (self.lengths[near] == lengths), near, -1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it by name."""
        return {"lengths": self.lengths, **vars(self.scan)}

    def with_new(self, new: "_Kept") -> "_Kept":
        """These and others; of two at one offset the new one is kept."""
        both = {name: np.concatenate([values, self.arrays()[name]]) for name, values in new.arrays().items()}
        first = np.unique(both["rows"], return_index=True)[1]
        return _of_arrays({name: values[first] for name, values in both.items()})


def _of_arrays(arrays: Mapping[str, NDArray[Any]]) -> _Kept:
    return _Kept(arrays["lengths"], Scan(**{one.name: arrays[one.name] for one in fields(Scan)}))


@dataclass(frozen=True)
class _InShard:
    """The images of a table that lie in one shard: their numbers, and where they lie; `file` is what is kept of it."""

    file: Path
    numbers: NDArray[np.int64]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]


def scanned(table: pa.Table, root: Path, *, threads: int, cache: Path | None, advance: Advance | None = None) -> Scan:
    """Scan images, but for those that `cache` knows of the same shards; what is new is kept there.

    Raises EvaluationError where what is kept is broken.
    """
    if cache is None:
        return scan_images(table, root, threads=threads, advance=advance)
    shards = _in_shards(table, root, cache)
    scan, known = _from_kept(table, shards)
    asked = np.isin(scan.rows, scan.rows[~known])
    if asked.any():
        counted = after(advance, int((~asked).sum()), len(asked))
        found = scan_images(table.take(np.unique(scan.rows[asked])), root, threads=threads, advance=counted)
        for name in FOUND:
            getattr(scan, name)[asked] = getattr(found, name)
        for shard in shards:
            if not known[shard.numbers].all():
                _keep(shard, scan)
    elif advance is not None:
        advance(len(asked), len(asked))
    return scan


def _from_kept(table: pa.Table, shards: list[_InShard]) -> tuple[Scan, NDArray[np.bool_]]:
    """The scan as far as it is known, and of which images it is."""
    rows, _ = elements(table, "images")
    known = np.zeros(len(rows), dtype=np.bool_)
    scan = Scan.unread(rows)
    for shard in shards:
        kept = _read(shard.file)
        places = kept.places(shard.offsets, shard.lengths)
        numbers, places = shard.numbers[places >= 0], places[places >= 0]
        known[numbers] = True
        for name in FOUND:
            getattr(scan, name)[numbers] = getattr(kept.scan, name)[places]
    return scan, known


def _in_shards(table: pa.Table, root: Path, cache: Path) -> list[_InShard]:
    """The images by the shard that they lie in; those in no shard that is there are left out."""
    _, images = elements(table, "images")
    shards = images.field("shard").dictionary_encode()
    codes = np.asarray(shards.indices.fill_null(-1), dtype=np.int64)
    offsets, lengths = (np.asarray(images.field(name).fill_null(0), dtype=np.int64) for name in ("offset", "length"))
    found = []
    for code, name in enumerate(shards.dictionary.to_pylist()):
        path = path_inside(root, name)
        if path is not None and path.is_file():
            numbers = np.flatnonzero(codes == code)
            found.append(_InShard(cache / _file_name(path), numbers, offsets[numbers], lengths[numbers]))
    return found


def _file_name(shard: Path) -> str:
    state = shard.stat()
    told = f"{VERSION}\0{shard.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
    return f"scan-{blake2b(told.encode(), digest_size=16).hexdigest()}.npz"


def _keep(shard: _InShard, scan: Scan) -> None:
    """Keep what the scan has of a shard, with what others have kept of it meanwhile."""
    new = _Kept(shard.lengths, Scan(shard.offsets, **{name: getattr(scan, name)[shard.numbers] for name in FOUND}))
    kept = _read(shard.file).with_new(new)
    # Audits in several processes may write at once: each under a name of its own.
    own = shard.file.with_name(f"{shard.file.name}.{os.getpid()}")
    with whole_file(own) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **kept.arrays())
    own.replace(shard.file)


def _read(path: Path) -> _Kept:
    """What is kept in a file; nothing where there is none."""
    if not path.is_file():
        nothing = np.zeros(0, dtype=np.int64)
        return _Kept(nothing, Scan.unread(nothing))
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return _of_arrays(kept)
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise EvaluationError(f"{path} is no scan of images ({error}): delete it, and they are read again") from error
