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
    """Two unit-length embeddings of each study: its first image alone, and the mean of all its images in use."""

    first: Float[Tensor, "studies dim"]
    mean: Float[Tensor, "studies dim"]
    images: int


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
    embeddings = torch.cat(list(_embedded(embedder, studies, read_image, batch=batch, advance=advance)))
    study_of_image = torch.repeat_interleave(torch.arange(len(studies)), torch.tensor(counts))
    sums = torch.zeros(len(studies), embeddings.shape[1]).index_add_(0, study_of_image, embeddings)
    first = torch.tensor(np.cumsum([0, *counts[:-1]]))
    return StudyImages(first=embeddings[first], mean=functional.normalize(sums, dim=1), images=sum(counts))


def embed_texts(embedder: Embedder, texts: Sequence[str], *, batch: int) -> Float[Tensor, "n dim"]:
    """Embed texts in batches, on the CPU in single precision."""
    return torch.cat([embedder.embed_texts(part).detach().float().cpu() for part in in_batches(texts, batch)])


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a stream into lists of `size`, the last one shorter."""
    stream = iter(items)
    while part := list(islice(stream, size)):
        yield part


def _embedded(
    embedder: Embedder, studies: Sequence[Study], read_image: ReadImage, *, batch: int, advance: Advance | None
) -> Iterator[Float[Tensor, "n dim"]]:
    """Read, embed and drop one batch of images after the other."""
    files = [image for study in studies for image in images_in_use(study)]
    done = 0
    for part in in_batches(files, batch):
        yield embedder.embed_images([read_image(file) for file in part]).detach().float().cpu()
        done += len(part)
        if advance is not None:
            advance(done, len(files))
