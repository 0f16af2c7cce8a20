"""The zip that `torch.save` writes, read without torch.load: the pickle as data, tensors one at a time when asked for.

Nothing is unpacked to a disk, so the names of entries cannot lead anywhere; entries are stored as they are, so none can
swell; and none may claim more bytes than the file has.
"""

import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from cxr_clip.errors import CheckpointError
from cxr_clip.published.pickle_reader import read_pickle
from cxr_clip.published.pickled import RefusedError, StoredTensor

# The pickle of a checkpoint with its optimiser is under 1 MB; interpreting one takes some 100 times its bytes.
LONGEST_PICKLE = 4 << 20
_ENCRYPTED = 1
_DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {
        "FloatStorage": torch.float32,
        "DoubleStorage": torch.float64,
        "HalfStorage": torch.float16,
        "BFloat16Storage": torch.bfloat16,
        "LongStorage": torch.int64,
        "IntStorage": torch.int32,
        "ShortStorage": torch.int16,
        "CharStorage": torch.int8,
        "ByteStorage": torch.uint8,
        "BoolStorage": torch.bool,
    }
)
_DAMAGES = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile)


class Archive:
    """An open checkpoint file: its value without the numbers, and the numbers of a tensor on request."""

    def __init__(self, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> None:
        self._archive = archive
        self._entries = entries

    def value(self) -> object:
        """What was saved, with a `StoredTensor` in the place of each tensor; raises RefusedError."""
        if self._entry("data.pkl").file_size > LONGEST_PICKLE:
            raise RefusedError(f"its pickle has more than {LONGEST_PICKLE:,} bytes")
        if "byteorder" in self._entries and self._read("byteorder") != b"little":
            raise RefusedError("its numbers are not little-endian")
        return read_pickle(self._read("data.pkl"))

    def refuse_false_sizes(self, tensors: Collection[StoredTensor]) -> None:
        """Raise RefusedError where tensors do not fit their parts, or share them: small files would fill any memory."""
        for stored in tensors:
            self._refuse_false_size(stored)
        if len({stored.storage.key for stored in tensors}) != len(tensors):
            raise RefusedError("some of its tensors share their numbers, which those of a published model never do")

    def tensor(self, stored: StoredTensor) -> Tensor:
        """Read the numbers of one tensor; raises RefusedError where they are not there in the size that is claimed."""
        self._refuse_false_size(stored)
        numbers = torch.frombuffer(bytearray(self._read(_part(stored))), dtype=_DTYPES[stored.storage.kind])
        return torch.as_strided(numbers, stored.shape, stored.strides, stored.offset).contiguous()

    def _refuse_false_size(self, stored: StoredTensor) -> None:
        size = stored.storage.count * _DTYPES[stored.storage.kind].itemsize
        if self._entry(_part(stored)).file_size != size:
            raise RefusedError(f"its part {_part(stored)} has another size than its pickle says")
        _refuse_reaching_out(stored)

    def _entry(self, name: str) -> zipfile.ZipInfo:
        if name not in self._entries:
            raise RefusedError(f"it has no part {name}")
        return self._entries[name]

    def _read(self, name: str) -> bytes:
        """The bytes of an entry, compared with its check sum."""
        try:
            return self._archive.read(self._entry(name))
        except _DAMAGES as error:
            raise RefusedError(f"its part {name} is damaged ({error})") from error


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a checkpoint file; what is refused inside of the context becomes a CheckpointError that names the file."""
    try:
        with _zip(path) as archive:
            yield Archive(archive, _entries(archive, path.stat().st_size))
    except RefusedError as error:
        mend = "get the file again from where it was published, and compare its check sum"
        raise CheckpointError(f"{path} is not read: {error}; {mend}") from error


def _zip(path: Path) -> zipfile.ZipFile:
    if not path.is_file():
        raise CheckpointError(f"no file at {path}: give the path of a downloaded checkpoint such as swint_mcc.tar")
    try:
        return zipfile.ZipFile(path)
    except _DAMAGES as error:
        raise RefusedError(f"it is no whole zip as torch.save writes since torch 1.6 ({error})") from error


def _entries(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The parts by their name below the one folder that torch puts all into."""
    infos = archive.infolist()
    entries = {info.filename.partition("/")[2]: info for info in infos}
    if len({info.filename.partition("/")[0] for info in infos}) != 1 or len(entries) != len(infos):
        raise RefusedError("its parts are not in one folder with a name each, as torch writes them")
    for info in infos:
        plain = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
        if not plain or info.flag_bits & _ENCRYPTED:
            raise RefusedError("its parts are compressed or encrypted, which torch never does")
    if sum(info.file_size for info in infos) > size:
        raise RefusedError("its parts claim more bytes than the file has")
    return entries


def _part(stored: StoredTensor) -> str:
    return f"data/{stored.storage.key}"


def _refuse_reaching_out(stored: StoredTensor) -> None:
    """Refuse a view beyond its storage, one without numbers, or one that repeats them to look larger than they are."""
    count = prod(stored.shape)
    last = stored.offset + sum((size - 1) * step for size, step in zip(stored.shape, stored.strides, strict=True))
    if not 0 < count <= stored.storage.count or last >= stored.storage.count:
        raise RefusedError(f"a tensor of shape {stored.shape} does not fit its {stored.storage.count} numbers")
