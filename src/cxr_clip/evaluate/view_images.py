"""Every image of a study by its view, the lateral ones too, which stand for no study elsewhere."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.evaluate.study_images import (
    Advance,
    Embedder,
    ReadImage,
    StudyImages,
    embed_files,
    images_in_use,
    mean_by_study,
)
from cxr_clip.study import ImageFile, Study, View


@dataclass(frozen=True, eq=False)
class StudyMeans:
    """The studies that have such images, by their places, and the mean embedding of these, of unit length."""

    places: NDArray[np.int64]
    mean: Float[Tensor, "chosen dim"]


@dataclass(frozen=True, eq=False)
class ViewImages:
    """Embeddings of images: entry i of each is the place of its study, its view, its unit-length embedding."""

    study: NDArray[np.int64]
    views: tuple[View, ...]
    embeddings: Float[Tensor, "images dim"]

    def means(self, views: Collection[View]) -> StudyMeans:
        """The studies with an image of one of these views, and the mean of those images."""
        rows = [row for row, view in enumerate(self.views) if view in views]
        places, study = np.unique(self.study[rows], return_inverse=True)
        return StudyMeans(places, mean_by_study(self.embeddings[rows], study, len(places)))

    def part(self, places: Sequence[int]) -> "ViewImages":
        """The images of some of the studies, each of which is named once."""
        moved = np.full(1 + max([-1, *self.study, *places]), -1)
        moved[list(places)] = np.arange(len(places))
        rows = np.flatnonzero(moved[self.study] >= 0)
        return ViewImages(moved[self.study[rows]], tuple(self.views[row] for row in rows), self.embeddings[rows])


def embed_views(
    embedder: Embedder,
    studies: Sequence[Study],
    known: StudyImages,
    read_image: ReadImage,
    *,
    batch: int,
    advance: Advance | None = None,
) -> ViewImages:
    """Embed the lateral images of studies beside those in use, which are `known`."""
    lateral = [(place, image) for place, study in enumerate(studies) for image in _lateral(study)]
    in_use = np.repeat(np.arange(len(studies)), known.counts)
    files = [image for _, image in lateral]
    embeddings = [known.each]
    if files:
        embeddings.append(embed_files(embedder, files, read_image, batch=batch, advance=advance))
    views = [image.view for study in studies for image in images_in_use(study)]
    return ViewImages(
        study=np.concatenate([in_use, np.asarray([place for place, _ in lateral], dtype=np.int64)]),
        views=(*views, *(image.view for image in files)),
        embeddings=torch.cat(embeddings),
    )


def _lateral(study: Study) -> list[ImageFile]:
    return [image for image in study.images if image.view is View.LATERAL]
