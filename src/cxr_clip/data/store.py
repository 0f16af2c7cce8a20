"""Tar shards of images: written in order, read at random by byte offset."""

import os
import re
import tarfile
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from jaxtyping import UInt8

from cxr_clip.errors import ImageError
from cxr_clip.inside import path_inside
from cxr_clip.study import ImageFile, Stored

# The 228 shards of MIMIC-CXR fit, and three such data sets into the usual limit of 1,024 open files.
MOST_OPEN = 256
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
)


class ShardWriter:
    """Writes one tar shard, `shard` being its name relative to a folder; it gets that name only when it is whole.

    The headers carry neither time nor owner, so that equal images give equal shards. Leaving the `with` block
    by an error leaves nothing.
    """

    def __init__(self, folder: Path, shard: str) -> None:
        self._whole = folder / shard
        self._partial = self._whole.with_name(f"{self._whole.name}.partial")
        self._shard = shard

    def __enter__(self) -> Self:
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._partial.open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._file.write(bytes(2 * tarfile.BLOCKSIZE))
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        if kind is None:
            self._partial.replace(self._whole)
        else:
            self._partial.unlink(missing_ok=True)

    def add(self, name: str, data: bytes) -> Stored:
        """Append one file and say where its bytes lie."""
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self._file.write(member.tobuf(tarfile.GNU_FORMAT))
        stored = Stored(shard=self._shard, offset=self._file.tell(), length=len(data))
        self._file.write(data + bytes(-len(data) % tarfile.BLOCKSIZE))
        return stored


def member_name(study: str, number: int, suffix: str) -> str:
    """The name of a study's image in a shard: one study is one `webdataset` sample, `<study>.<number>.<suffix>`."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", study)
    return f"{safe}.{number}.{suffix}"


class ImageStore:
    """Reads images of one manifest folder at random.

    Shards stay open between reads, as many as MOST_OPEN; the one opened first then makes room. An object may be pickled
    (the copy opens its own files), survives a fork (every read names its offset, no position is shared), and is for one
    thread. Bytes are read and not mapped: reading takes a microsecond longer, beside a decoding of 400, and a disk that
    fails is an error that names the shard, where a mapped one would end the process.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open_files: dict[str, int] = {}
        weakref.finalize(self, _close_all, self._open_files)

    def __reduce__(self) -> tuple[type["ImageStore"], tuple[Path]]:
        return ImageStore, (self.root,)

    def read(self, image: ImageFile, *, reduced_to: int | None = None) -> UInt8[np.ndarray, "height width"]:
        """Decode one image to 8-bit grey.

        With `reduced_to` it may come at a half, a quarter or an eighth of its size (which is what makes JPEG
        decoding cheap), as long as its short side stays at least `reduced_to` pixels.
        Raises ImageError if the image was never stored, or if its bytes are missing or no image.
        """
        if image.stored is None:
            raise ImageError(f"{image.path} is in no shard: prepare the data set again")
        data = np.frombuffer(self._read(image.stored), dtype=np.uint8)
        picture = cv2.imdecode(data, _flag(image, reduced_to))
        if picture is None:
            raise ImageError(f"the bytes of {image.path} in {self.root / image.stored.shard} are no image")
        return np.asarray(picture, dtype=np.uint8)

    def _read(self, stored: Stored) -> bytes:
        try:
            descriptor = self._open_files.get(stored.shard)
            if descriptor is None:
                descriptor = self._open(stored.shard)
            data = os.pread(descriptor, stored.length, stored.offset)
        except OSError as error:
            raise ImageError(f"cannot read the shard {self.root / stored.shard}: {error.strerror}") from error
        if len(data) < stored.length or not data:
            raise ImageError(f"the shard {self.root / stored.shard} ends before the image at byte {stored.offset}")
        return data

    def _open(self, shard: str) -> int:
        if len(self._open_files) >= MOST_OPEN:
            os.close(self._open_files.pop(next(iter(self._open_files))))
        path = path_inside(self.root, shard)
        if path is None:
            raise ImageError(f"the shard {shard} leads out of the folder {self.root}: prepare the data set again")
        descriptor = os.open(path, os.O_RDONLY)
        self._open_files[shard] = descriptor
        return descriptor


def _flag(image: ImageFile, reduced_to: int | None) -> int:
    """The decode mode with the largest reduction that keeps the short side."""
    if reduced_to is not None and image.height is not None and image.width is not None:
        for factor, flag in _REDUCED:
            if min(image.height, image.width) // factor >= reduced_to:
                return int(flag)
    return int(cv2.IMREAD_GRAYSCALE)


def _close_all(open_files: dict[str, int]) -> None:
    for descriptor in open_files.values():
        os.close(descriptor)
    open_files.clear()
