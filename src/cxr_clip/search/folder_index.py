"""An index in a folder on this machine: vectors by faiss, what they are about in Parquet beside them."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cxr_clip.embeddings_file import ABOUT, IMAGE, Embeddings
from cxr_clip.errors import SearchIndexError
from cxr_clip.search import vectors
from cxr_clip.search.index_files import MANIFEST, IndexFiles, check, only_writer, publish, read_files, stored
from cxr_clip.search.rows import IndexContents, as_hits, contents_of, has_one_of, reports_of, wanted_rows
from cxr_clip.search.vector_index import Hit, Wanted
from cxr_clip.whole_files import make_folder

_NUMBER = "row"
_AGAIN = 3
# Small, as the texts of a study are read with their group.
_ROWS_IN_GROUP = 1024
_MORE = 16


class FolderIndex:
    """A `VectorIndex` in a folder; it answers from the files that were there when it was opened or last written."""

    def __init__(self, folder: Path) -> None:
        """Open an index, its vectors mapped from disk. Raises SearchIndexError, MissingPackageError."""
        self.folder = folder
        self._open()

    @property
    def model(self) -> str:
        """The fingerprint of the model whose embeddings these are."""
        return self.files.model

    def count(self) -> int:
        """How many embeddings there are."""
        return len(self._rows)

    @property
    def contents(self) -> IndexContents:
        """What a search can be narrowed to."""
        return contents_of(self._rows)

    def has(self, row_id: str) -> bool:
        """Whether there is a row of this id."""
        return bool(has_one_of(self._rows, "id", [row_id]).any())

    def has_images_of(self, study_id: str) -> bool:
        """Whether there is an image of this study."""
        return bool(self._images_of(study_id).any())

    def add(self, embeddings: Embeddings) -> None:
        """Add rows, those with a known id in its place; a reader sees all of them or none. Raises SearchIndexError."""
        if embeddings.origin.model != self.model:
            raise SearchIndexError(
                f"{self.folder} is of model {self.model[:12]}, these embeddings are of {embeddings.origin.model[:12]}: "
                "give another folder"
            )
        _refuse_twice(embeddings)
        with only_writer(self.folder):
            index, kept = self._without(embeddings.ids)
            first = int(self._numbers.max(initial=-1)) + 1 if self.files.kind == "lists" else len(kept)
            numbers = np.arange(first, first + len(embeddings.ids))
            vectors.add(index, embeddings.values.numpy(), numbers)
            _write(self.folder, index, pa.concat_tables([kept, _numbered(embeddings.about, numbers)]), self.files)
        self._open()

    def delete(self, ids: Collection[str]) -> int:
        """Take rows out, vectors and all, and say how many were there; a reader sees the old or the new."""
        with only_writer(self.folder):
            index, kept = self._without(ids)
            gone = self.count() - len(kept)
            if gone:
                _write(self.folder, index, kept, self.files)
        if gone:
            self._open()
        return gone

    def search(self, query: NDArray[np.float32], *, top: int, wanted: Wanted) -> list[Hit]:
        """The `top` rows nearest to a unit-length embedding, best first, ties by their ids."""
        if query.shape != (self.files.dim,):
            raise SearchIndexError(
                f"the query has shape {query.shape}, the index embeddings of {self.files.dim} numbers: "
                "ask with one embedding of its model"
            )
        allowed = self._numbers[wanted_rows(self._rows, wanted)]
        asked = min(top + _MORE, len(allowed))
        while asked:
            scores, numbers = self._nearest(query, asked, allowed)
            # All that tie with the last one wanted are there, so that the ids decide among them.
            if asked == len(allowed) or len(scores) < asked or scores[-1] < scores[min(top, len(scores)) - 1]:
                break
            asked = min(2 * asked, len(allowed))
        if not asked:
            return []
        places = np.searchsorted(self._numbers, numbers)
        return self._with_reports(as_hits(self._rows, scores.tolist(), places.tolist(), {})[:top])

    def embedding_of(self, study_id: str) -> NDArray[np.float32]:
        """The mean of the embeddings of a study's images, of unit length. Raises SearchIndexError."""
        chosen = self._images_of(study_id)
        if not chosen.any():
            raise SearchIndexError(f"no image of study {study_id!r} is in {self.folder}: give a study that is")
        mean = vectors.vectors_of(self._index, self._numbers[chosen]).sum(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), dtype=np.float32)

    def ids_of(self, *, studies: Collection[str] = (), patients: Collection[str] = ()) -> tuple[str, ...]:
        """The ids of all rows of some studies and patients."""
        chosen = has_one_of(self._rows, "study_id", list(studies)) | has_one_of(self._rows, "patient", list(patients))
        return tuple(self._rows.column("id").filter(pa.array(chosen)).to_pylist())

    def ids_of_all(self, *, studies: Collection[str] = (), patients: Collection[str] = ()) -> tuple[str, ...]:
        """The ids of all rows of some studies and patients, each of which must be there. Raises SearchIndexError."""
        if not studies and not patients:
            raise SearchIndexError("no study and no patient is named: name one or more")
        for column, asked in (("study_id", studies), ("patient", patients)):
            known = set(pc.unique(self._rows.column(column)).to_pylist())
            absent = [one for one in asked if one not in known]
            if absent:
                word = column.removesuffix("_id")
                raise SearchIndexError(
                    f"{word} {absent[0]!r} is not in {self.folder}: check the name; nothing was changed"
                )
        return self.ids_of(studies=studies, patients=patients)

    def kinds(self) -> dict[str, int]:
        """How many rows there are of each kind: images, and each section of reports."""
        counts = pc.value_counts(self._rows.column("kind")).to_pylist()
        return {one["values"]: one["counts"] for one in sorted(counts, key=lambda one: str(one["values"]))}

    def _images_of(self, study_id: str) -> NDArray[np.bool_]:
        return has_one_of(self._rows, "study_id", [study_id]) & has_one_of(self._rows, "kind", [IMAGE])

    def _nearest(self, query: NDArray[np.float32], asked: int, allowed: vectors.Numbers) -> Any:
        probing = self.files.probing
        probe = probing.lists if probing is not None and len(allowed) >= vectors.FEW else None
        scores, numbers = vectors.search(self._index, query[None], top=asked, probe=probe, allowed=allowed)
        found = numbers[0] >= 0
        if probe is not None and found.sum() < asked:
            scores, numbers = vectors.search(self._index, query[None], top=asked, probe=None, allowed=allowed)
            found = numbers[0] >= 0
        return scores[0][found], numbers[0][found]

    def _with_reports(self, hits: list[Hit]) -> list[Hit]:
        studies = [hit.study_id for hit in hits]
        of_hits = np.flatnonzero(has_one_of(self._rows, "study_id", studies))
        groups = np.unique(of_hits // _ROWS_IN_GROUP).tolist()
        texts = self._texts.read_row_groups(groups, columns=["study_id", "kind", "text"])
        reports = reports_of(texts, studies)
        return [replace(hit, report=reports.get(hit.study_id)) for hit in hits]

    def _without(self, ids: Collection[str]) -> tuple[Any, pa.Table]:
        """Vectors in memory and rows, without some."""
        latest = read_files(self.folder)
        if latest != self.files:
            raise SearchIndexError(f"{self.folder} was changed since it was opened: open it again")
        index = vectors.read(check(self.folder, self.files.vectors), mapped=False)
        rows = self._texts.read()
        gone = has_one_of(rows, "id", list(ids))
        if gone.any():
            vectors.remove(index, self._numbers[gone])
        kept = rows.filter(pa.array(~gone))
        if self.files.kind == "exact":
            kept = _numbered(kept.select(ABOUT.names), np.arange(len(kept)))
        return index, kept

    def _open(self) -> None:
        for attempt in range(_AGAIN):
            files = read_files(self.folder)
            try:
                self._index, self._texts = _opened(self.folder, files)
                break
            except SearchIndexError:
                # A writer may have put new files in the place of those that were just read of.
                if attempt == _AGAIN - 1 or read_files(self.folder) == files:
                    raise
        self.files = files
        self._rows = self._texts.read(columns=[*(name for name in ABOUT.names if name != "text"), _NUMBER])
        self._numbers = self._rows.column(_NUMBER).to_numpy()


def build_index(folder: Path, embeddings: Embeddings, *, exact_rows: int = vectors.EXACT_ROWS) -> FolderIndex:
    """Make an index of embeddings: exact up to `exact_rows` rows, inverted lists beyond.

    Raises SearchIndexError where there is an index already or nothing to search, OutputError, and MissingPackageError.
    """
    _refuse_there(folder)
    if not len(embeddings.ids):
        raise SearchIndexError("there is no embedding to make an index of: embed a manifest that has studies")
    _refuse_twice(embeddings)
    values = embeddings.values.numpy()
    kind: vectors.Kind = "exact" if len(values) <= exact_rows else "lists"
    index = vectors.build(values, kind)
    probing = vectors.measured_probing(index, values) if kind == "lists" else None
    make_folder(folder)
    rows = _numbered(embeddings.about, np.arange(len(values)))
    origin = embeddings.origin
    with only_writer(folder):
        _refuse_there(folder)
        _write_as(folder, index, rows, model=origin.model, dim=origin.dim, kind=kind, turn=0, probing=probing)
    return FolderIndex(folder)


def _write(folder: Path, index: Any, rows: pa.Table, old: IndexFiles) -> None:
    _write_as(folder, index, rows, model=old.model, dim=old.dim, kind=old.kind, turn=old.turn + 1, probing=old.probing)


def _write_as(
    folder: Path,
    index: Any,
    rows: pa.Table,
    *,
    model: str,
    dim: int,
    kind: vectors.Kind,
    turn: int,
    probing: vectors.Probing | None,
) -> None:
    vectors_file, rows_file = folder / f"vectors-{turn:06}.faiss", folder / f"rows-{turn:06}.parquet"
    vectors.write(index, vectors_file)
    pq.write_table(rows, rows_file, compression="zstd", row_group_size=_ROWS_IN_GROUP)
    files = IndexFiles(model, dim, kind, turn, stored(vectors_file), stored(rows_file), probing)
    publish(folder, files)


def _opened(folder: Path, files: IndexFiles) -> tuple[Any, pq.ParquetFile]:
    index = vectors.read(check(folder, files.vectors), mapped=True)
    path = check(folder, files.rows)
    try:
        rows = pq.ParquetFile(path, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise SearchIndexError(f"{path} is no readable Parquet file ({error}): make the index again") from error
    if rows.schema_arrow.names != [*ABOUT.names, _NUMBER]:
        raise SearchIndexError(f"{path} has other columns than an index: make the index again in a new folder")
    if (index.d, index.ntotal) != (files.dim, rows.metadata.num_rows):
        raise SearchIndexError(
            f"{folder} has {index.ntotal:,} vectors of {index.d} numbers, its lists say {rows.metadata.num_rows:,} of "
            f"{files.dim}: make the index again in a new folder"
        )
    return index, rows


def _numbered(about: pa.Table, numbers: vectors.Numbers) -> pa.Table:
    return about.append_column(_NUMBER, pa.array(numbers, pa.int64()))


def _refuse_there(folder: Path) -> None:
    if (folder / MANIFEST).exists():
        raise SearchIndexError(f"there is an index at {folder} already: give another folder, or add to that one")


def _refuse_twice(embeddings: Embeddings) -> None:
    if len(set(embeddings.ids)) < len(embeddings.ids):
        raise SearchIndexError("the embeddings have an id twice: embed a manifest whose studies have ids of their own")
