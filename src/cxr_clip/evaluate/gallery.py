"""A few retrieval queries to look at, drawn at random and not picked: an image, its text, and what the model found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from cxr_clip.evaluate.results import GalleryEntry
from cxr_clip.evaluate.retrieval import nearest_texts
from cxr_clip.evaluate.study_images import ReadImage, images_in_use
from cxr_clip.ranking import MergedTexts, target_ranks
from cxr_clip.study import Study


@dataclass(frozen=True)
class Pool:
    """Studies with their image embeddings, and the merged texts that they are matched with."""

    studies: Sequence[Study]
    texts: Sequence[str]
    merged: MergedTexts
    image_embeddings: Float[Tensor, "studies dim"]
    text_embeddings: Float[Tensor, "unique dim"]


def draw_gallery(
    pool: Pool, read_image: ReadImage, rng: np.random.Generator, *, queries: int, retrieved: int
) -> tuple[GalleryEntry, ...]:
    """Return `queries` studies drawn at random, each with the first `retrieved` texts."""
    drawn = rng.choice(len(pool.studies), size=min(queries, len(pool.studies)), replace=False)
    ranks = target_ranks(pool.image_embeddings[drawn], pool.text_embeddings, pool.merged.group[drawn])
    return tuple(
        _entry(pool, int(index), read_image, rank=int(rank), retrieved=retrieved)
        for index, rank in zip(drawn, ranks, strict=True)
    )


def _entry(pool: Pool, index: int, read_image: ReadImage, *, rank: int, retrieved: int) -> GalleryEntry:
    """Look up one query."""
    right, image = int(pool.merged.group[index]), pool.image_embeddings[index]
    return GalleryEntry(
        study_id=pool.studies[index].id,
        image=read_image(images_in_use(pool.studies[index])[0]),
        text=pool.texts[right],
        rank=rank,
        similarity=float(pool.text_embeddings[right] @ image),
        retrieved=nearest_texts(image, pool.text_embeddings, pool.texts, right=right, count=retrieved),
    )
