"""Read every stored image once: does it decode, the digest of its bytes, a hash of what it shows."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cxr_clip.data.columns import elements
from cxr_clip.inside import path_inside

HASH_BYTES = 32
_SIDE = 16
# Steps of at most this many grey levels count as flat, so that black borders give the same bits in every copy.
_FLAT = 3.0
_IMAGES_AT_A_TIME = 1000
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Scan:
    """Of each image in the order of the manifest: its study's row, whether it is there and decodes, digest and hash."""

    rows: NDArray[np.int64]
    present: NDArray[np.bool_]
    readable: NDArray[np.bool_]
    digests: NDArray[np.uint64]
    hashes: NDArray[np.uint8]

    @classmethod
    def unread(cls, rows: NDArray[np.int64]) -> "Scan":
        """The scan of images of these rows that are not read yet; it is filled in place."""
        count = len(rows)
        return cls(
            rows,
            present=np.zeros(count, dtype=np.bool_),
            readable=np.zeros(count, dtype=np.bool_),
            digests=np.zeros(count, dtype=np.uint64),
            hashes=np.zeros((count, HASH_BYTES), dtype=np.uint8),
        )


@dataclass(frozen=True)
class _Stretch:
    """Images of one shard: their numbers in the manifest and where their bytes lie; None leads out of the folder."""

    shard: Path | None
    numbers: NDArray[np.int64]
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]


def scan_images(table: pa.Table, root: Path, *, threads: int, advance: Advance | None = None) -> Scan:
    """Read all images of a manifest's table whose shards lie below `root`, a shard at a time and in its order.

    `advance` hears how many of how many images are done. Images in no shard, in an absent one or outside of `root`, or
    beyond the end of theirs are not present and do not decode.
    """
    rows, images = elements(table, "images")
    scan = Scan.unread(rows)
    done = 0
    # Threads suffice: decoding and digests leave the interpreter free.
    with ThreadPoolExecutor(threads) as pool:
        for stretch, found in pool.map(_read, _stretches(images, root)):
            numbers, (present, readable, digests, hashes) = stretch.numbers, found
            scan.present[numbers], scan.readable[numbers] = present, readable
            scan.digests[numbers], scan.hashes[numbers] = digests, hashes
            done += len(numbers)
            if advance is not None:
                advance(done, len(rows))
    return scan


def _stretches(images: pa.StructArray, root: Path) -> Iterator[_Stretch]:
    """Cut the images into stretches of one shard, in the order of their bytes."""
    shards = images.field("shard").dictionary_encode()
    codes = np.asarray(shards.indices.fill_null(-1), dtype=np.int64)
    offsets, lengths = (np.asarray(images.field(name).fill_null(0), dtype=np.int64) for name in ("offset", "length"))
    for code, name in enumerate(shards.dictionary.to_pylist()):
        numbers = np.flatnonzero(codes == code)
        numbers = numbers[np.argsort(offsets[numbers], kind="stable")]
        for first in range(0, len(numbers), _IMAGES_AT_A_TIME):
            part = numbers[first : first + _IMAGES_AT_A_TIME]
            yield _Stretch(path_inside(root, name), part, offsets[part], lengths[part])


Found = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.uint64], NDArray[np.uint8]]


def _read(stretch: _Stretch) -> tuple[_Stretch, Found]:
    count = len(stretch.numbers)
    present, readable = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    digests = np.zeros(count, dtype=np.uint64)
    hashes = np.zeros((count, HASH_BYTES), dtype=np.uint8)
    if stretch.shard is not None and stretch.shard.is_file():
        with stretch.shard.open("rb") as file:
            for place, (offset, length) in enumerate(zip(stretch.offsets, stretch.lengths, strict=True)):
                data = os.pread(file.fileno(), int(length), int(offset))
                present[place] = bool(data) and len(data) == length
                digests[place] = int.from_bytes(blake2b(data, digest_size=8).digest(), "little")
                picture = _small(data)
                if picture is not None:
                    readable[place], hashes[place] = True, perceptual_hash(picture)
    return stretch, (present, readable, digests, hashes)


def _small(data: bytes) -> NDArray[np.uint8] | None:
    """Decode at a quarter of the size, which is enough for a hash and what makes JPEG cheap."""
    if not data:
        return None
    picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4)
    return None if picture is None else np.asarray(picture, dtype=np.uint8)


def perceptual_hash(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """256 bits that stay nearly the same under compression, scaling, brightness and contrast.

    A bit tells whether the picture, shrunk to 16 rows of 17 cells, grows brighter from one cell to the next.
    """
    cells = cv2.resize(picture, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.packbits(np.diff(cells, axis=1) > _FLAT)
