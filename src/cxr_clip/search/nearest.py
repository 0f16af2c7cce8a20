"""The nearest studies: of each study its best row."""

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import SearchIndexError
from cxr_clip.search.vector_index import Hit, VectorIndex, Wanted


def nearest_studies(
    index: VectorIndex, query: NDArray[np.float32], *, top: int = 10, wanted: Wanted | None = None
) -> tuple[Hit, ...]:
    """The best row of each of the `top` studies nearest to a unit-length embedding, best first."""
    if top < 1:
        raise SearchIndexError(f"{top} studies are asked for: ask for 1 or more")
    rows = 4 * top
    while True:
        hits = index.search(query, top=rows, wanted=wanted or Wanted())
        best: dict[str, Hit] = {}
        for hit in hits:
            best.setdefault(hit.study_id, hit)
        if len(best) >= top or len(hits) < rows:
            return tuple(best.values())[:top]
        rows *= 4


def refuse_other_model(index: VectorIndex, model: str) -> None:
    """Raise SearchIndexError where an index is of another model than the one with this fingerprint."""
    if index.model != model:
        raise SearchIndexError(
            f"the index is of model {index.model[:12]}, the model here is {model[:12]}: their embeddings cannot be "
            "compared; embed the manifest with this model and make an index of that"
        )
