"""Scans of images kept between audits: what was read of a manifest's images, by a digest of where they lie."""

from collections.abc import Iterator
from dataclasses import fields
from hashlib import blake2b
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa

from cxr_clip.data.columns import elements
from cxr_clip.data.scan import Scan, scan_images
from cxr_clip.errors import EvaluationError
from cxr_clip.overlap.nearest import Advance
from cxr_clip.whole_files import whole_file

# Raised with every change of what a scan holds or how a hash is made.
VERSION = 1


def scanned(table: pa.Table, root: Path, *, threads: int, cache: Path | None, advance: Advance | None = None) -> Scan:
    """Scan images, or take the scan that `cache` has of the same images in the same shards; a new one is kept there.

    Raises EvaluationError where the kept one is broken.
    """
    if cache is None:
        return scan_images(table, root, threads=threads, advance=advance)
    path = cache / f"scan-{images_digest(table, root)}.npz"
    if path.is_file():
        found = _read(path)
        if advance is not None:
            advance(len(found.rows), len(found.rows))
        return found
    found = scan_images(table, root, threads=threads, advance=advance)
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, **{name.name: getattr(found, name.name) for name in fields(Scan)})
    return found


def images_digest(table: pa.Table, root: Path) -> str:
    """What a scan depends on: where the images of each row lie, and the size and time of the shards."""
    digest = blake2b(f"{VERSION}".encode(), digest_size=16)
    for part in _parts(table, root):
        digest.update(part)
    return digest.hexdigest()


def _parts(table: pa.Table, root: Path) -> Iterator[bytes]:
    rows, images = elements(table, "images")
    yield rows.tobytes()
    for name in ("offset", "length"):
        yield np.asarray(images.field(name).fill_null(-1), dtype=np.int64).tobytes()
    shards = images.field("shard").dictionary_encode()
    yield np.asarray(shards.indices.fill_null(-1), dtype=np.int64).tobytes()
    for name in shards.dictionary.to_pylist():
        state = (root / name).stat() if (root / name).is_file() else None
        yield f"{name}\0{state and (state.st_size, state.st_mtime_ns)}\0".encode()


def _read(path: Path) -> Scan:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return Scan(**{name.name: kept[name.name] for name in fields(Scan)})
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise EvaluationError(f"{path} is no scan of images ({error}): delete it, and they are read again") from error
