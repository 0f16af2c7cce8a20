"""What a pickle of a checkpoint may hold: plain values, tensors by their place in the file, and inert records."""

from dataclasses import dataclass


class RefusedError(Exception):
    """Why a file is not read; `open_archive` makes a sentence with the file's name of it."""


@dataclass(frozen=True)
class Symbol:
    """A name that the file mentions, such as `torch.FloatStorage`; it is never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass
class Record:
    """An object of a class that is not loaded: its name and the state that it was saved with."""

    kind: Symbol
    state: object = None


@dataclass(frozen=True)
class Storage:
    """The numbers of a tensor: the entry `data/<key>` of the file, so many of a torch storage type."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that was not read yet: a view of a storage, offset and strides in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
