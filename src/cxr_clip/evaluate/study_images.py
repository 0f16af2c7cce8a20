"""From the images of a study to one embedding of it: the frontal images, each embedded once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cxr_clip.study import ImageFile, Study, views_in_use
from cxr_clip.tensors import refuse_not_finite

Item = TypeVar("Item")
ReadImage = Callable[[ImageFile], NDArray[np.uint8]]
Advance = Callable[[int, int], None]


class Embedder(Protocol):
    """A model as evaluation sees it: grey 8-bit images of any size, or texts, to unit-length embeddings."""

    def embed_images(self, images: Sequence[NDArray[np.uint8]]) -> Float[Tensor, "n dim"]:
        """Embed images."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "n dim"]:
        """Embed texts."""
        ...


@dataclass(frozen=True)
class StudyImages:
    """Two unit-length embeddings of each study: its first image alone, and the mean of all its images in use.

    `each` are those of all images in use, study after study; entry i of `counts` is how many study i has.
    """

    first: Float[Tensor, "studies dim"]
    mean: Float[Tensor, "studies dim"]
    each: Float[Tensor, "images dim"]
    counts: tuple[int, ...]

    def part(self, places: Sequence[int]) -> "StudyImages":
        """Those of some of the studies."""
        ends = np.cumsum([0, *self.counts])
        rows = [row for place in places for row in range(ends[place], ends[place + 1])]
        counts = tuple(self.counts[place] for place in places)
        return StudyImages(self.first[list(places)], self.mean[list(places)], self.each[rows], counts)


def images_in_use(study: Study) -> tuple[ImageFile, ...]:
    """Return the frontal images; else those of unknown view; a study with lateral images only has none."""
    return tuple(study.images[number] for number in views_in_use([image.view for image in study.images]))


def embed_studies(
    embedder: Embedder, studies: Sequence[Study], read_image: ReadImage, *, batch: int, advance: Advance | None = None
) -> StudyImages:
    """Embed every image in use once, in a stream of batches; `advance` hears how many of how many images are done.

    Each study must have an image in use.
    """
    counts = [len(images_in_use(study)) for study in studies]
    assert all(counts), "a study without an image in use"
    files = [image for study in studies for image in images_in_use(study)]
    each = embed_files(embedder, files, read_image, batch=batch, advance=advance)
    mean = mean_by_study(each, np.repeat(np.arange(len(studies)), counts), len(studies))
    first = torch.tensor(np.cumsum([0, *counts[:-1]]))
    return StudyImages(first=each[first], mean=mean, each=each, counts=tuple(counts))


def mean_by_study(
    embeddings: Float[Tensor, "images dim"], study: NDArray[np.int64], studies: int
) -> Float[Tensor, "studies dim"]:
    """The mean of the embeddings of each study's images, of unit length; entry i of `study` is that of image i."""
    sums = torch.zeros(studies, embeddings.shape[1]).index_add_(0, torch.from_numpy(study), embeddings)
    return functional.normalize(sums, dim=1)


def embed_files(
    embedder: Embedder,
    files: Sequence[ImageFile],
    read_image: ReadImage,
    *,
    batch: int,
    advance: Advance | None = None,
) -> Float[Tensor, "images dim"]:
    """Embed images in their order, in a stream of batches; `advance` hears how many of how many are done.

    Raises EvaluationError where an embedding is not finite.
    """
    embeddings = torch.cat(list(_embedded(embedder, files, read_image, batch=batch, advance=advance)))
    refuse_not_finite(embeddings, "images")
    return embeddings


def embed_texts(embedder: Embedder, texts: Sequence[str], *, batch: int) -> Float[Tensor, "n dim"]:
    """Embed texts in batches, on the CPU in single precision. Raises EvaluationError where one is not finite."""
    embeddings = torch.cat([embedder.embed_texts(part).detach().float().cpu() for part in in_batches(texts, batch)])
    refuse_not_finite(embeddings, "texts")
    return embeddings


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a stream into lists of `size`, the last one shorter."""
    stream = iter(items)
    while part := list(islice(stream, size)):
        yield part


def _embedded(
    embedder: Embedder, files: Sequence[ImageFile], read_image: ReadImage, *, batch: int, advance: Advance | None
) -> Iterator[Float[Tensor, "n dim"]]:
    """Read, embed and drop one batch of images after the other."""
    done = 0
    for part in in_batches(files, batch):
        yield embedder.embed_images([read_image(file) for file in part]).detach().float().cpu()
        done += len(part)
        if advance is not None:
            advance(done, len(files))
