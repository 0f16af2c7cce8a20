"""Vectors by faiss: exact in half precision, or, beyond a size, inverted lists with one byte for each number.

The only module that knows faiss (the extra `search`). A row has a number: its place in the exact kind, one that stays
its own in the other.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import MissingPackageError, SearchIndexError

Values = NDArray[np.float32]
Numbers = NDArray[np.int64]
Kind = Literal["exact", "lists"]
EXACT_ROWS = 200_000
ENOUGH_RECALL = 0.95
# Where a filter leaves fewer rows than this, every list is looked through: the few may lie in any of them.
FEW = 20_000
_QUERIES, _TOP, _TRAINED_ON = 256, 10, 64


@dataclass(frozen=True)
class Probing:
    """How many lists a search looks through, and which share of the true ten nearest it found when measured."""

    lists: int
    recall: float


def faiss() -> Any:
    """The package; its records are untyped. Raises MissingPackageError."""
    try:
        import faiss as package
    except ImportError as error:
        raise MissingPackageError('search needs faiss: pip install "cxr-clip[search]"') from error
    return package


def build(values: Values, kind: Kind) -> Any:
    """An index of vectors of unit length, numbered from 0."""
    package, dim = faiss(), values.shape[1]
    if kind == "exact":
        index = package.IndexScalarQuantizer(dim, package.ScalarQuantizer.QT_fp16, package.METRIC_INNER_PRODUCT)
        index.train(values)
    else:
        lists = max(1, round(4 * len(values) ** 0.5))
        index = package.index_factory(dim, f"IVF{lists},SQ8", package.METRIC_INNER_PRODUCT)
        chosen = np.random.default_rng(0).permutation(len(values))[: _TRAINED_ON * lists]
        index.cp.seed = 0
        index.train(values[np.sort(chosen)])
    if len(values):
        index.add(values)
    return index


def add(index: Any, values: Values, numbers: Numbers) -> None:
    """Add vectors under numbers that follow those that are there."""
    if isinstance(index, faiss().IndexIVF):
        index.add_with_ids(values, numbers)
    else:
        index.add(values)


def remove(index: Any, numbers: Numbers) -> None:
    """Take vectors out; in the exact kind those behind move up."""
    index.remove_ids(faiss().IDSelectorBatch(numbers))


def search(index: Any, queries: Values, *, top: int, probe: int | None, allowed: Numbers | None = None) -> Any:
    """Scores and numbers of the `top` best rows of each query, queries x top; number -1 where there are not so many."""
    package = faiss()
    selector = None
    if allowed is not None:
        bits = np.zeros(int(allowed.max(initial=0)) + 1, dtype=bool)
        bits[allowed] = True
        selector = package.IDSelectorBitmap(np.packbits(bits, bitorder="little"))
    if isinstance(index, package.IndexIVF):
        parameters = package.SearchParametersIVF(sel=selector, nprobe=min(probe or index.nlist, index.nlist))
    else:
        parameters = package.SearchParameters(sel=selector)
    return index.search(queries, top, params=parameters)


def measured_probing(index: Any, values: Values) -> Probing:
    """The fewest lists, doubled from 1, that find enough of the true ten nearest of rows drawn from `values`."""
    drawn = np.random.default_rng(1).permutation(len(values))[:_QUERIES]
    truth = np.argsort(-(values[drawn] @ values.T), axis=1, kind="stable")[:, :_TOP]
    probe = 1
    while True:
        _, found = search(index, values[drawn], top=_TOP, probe=probe)
        recall = float(
            np.mean([len(np.intersect1d(one, two)) / len(one) for one, two in zip(truth, found, strict=True)])
        )
        if recall >= ENOUGH_RECALL or probe >= index.nlist:
            return Probing(min(probe, index.nlist), round(recall, 4))
        probe *= 2


def vectors_of(index: Any, numbers: Numbers) -> Values:
    """The vectors under some numbers, as exact as they are kept."""
    package = faiss()
    if isinstance(index, package.IndexIVF):
        index.set_direct_map_type(package.DirectMap.Hashtable)
    return np.stack([index.reconstruct(int(number)) for number in numbers])


def write(index: Any, path: Path) -> None:
    """Write vectors to a file."""
    faiss().write_index(index, str(path))


def read(path: Path, *, mapped: bool) -> Any:
    """Read vectors; `mapped` leaves them on disk until they are looked at. Raises SearchIndexError."""
    package = faiss()
    try:
        return package.read_index(str(path), package.IO_FLAG_MMAP_IFC if mapped else 0)
    except (RuntimeError, MemoryError) as error:
        reason = str(error).strip().splitlines()[-1][:200] if str(error).strip() else "too large"
        raise SearchIndexError(f"{path} is no readable index ({reason}): make the index again") from error
