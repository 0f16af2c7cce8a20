"""What any index of embeddings answers, in a folder or behind a server, and what may be asked of it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cxr_clip.embeddings_file import IMAGE, Embeddings


@dataclass(frozen=True)
class Wanted:
    """Which rows may be found: one of the values of each column that is given; of `findings` a study has them all.

    Empty: any. Rows of the studies in `without` are never found.
    """

    kinds: tuple[str, ...] = (IMAGE,)
    sources: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hit:
    """A row that was found; `score` is its cosine with the query, `report` the study's texts in the index, if any."""

    id: str
    study_id: str
    score: float
    patient: str
    source: str
    split: str
    kind: str
    view: str | None
    path: str | None
    findings: tuple[str, ...]
    report: str | None = None


@runtime_checkable
class VectorIndex(Protocol):
    """Embeddings of one model that can be searched."""

    @property
    def model(self) -> str:
        """The fingerprint of the model whose embeddings these are."""

    def count(self) -> int:
        """How many embeddings there are."""

    def add(self, embeddings: Embeddings) -> None:
        """Add rows; those with an id that is there already take its place. Raises SearchIndexError."""

    def delete(self, ids: Collection[str]) -> int:
        """Take rows out by their ids, and say how many were there."""

    def search(self, query: NDArray[np.float32], *, top: int, wanted: Wanted) -> list[Hit]:
        """The `top` rows nearest to a unit-length embedding, best first, ties by their ids."""

    def embedding_of(self, study_id: str) -> NDArray[np.float32]:
        """The mean of the embeddings of a study's images, of unit length. Raises SearchIndexError."""
