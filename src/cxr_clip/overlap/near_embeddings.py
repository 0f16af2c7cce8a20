"""The nearest training image of each evaluated one by the embeddings of a model, streamed batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.overlap.hits import NO_HITS, Hits
from cxr_clip.overlap.nearest import Advance, Nearest
from cxr_clip.overlap.sides import Side
from cxr_clip.overlap.threshold import Threshold, choose_threshold

_BATCH = 64


class Embedder(Protocol):
    """A model as the audit sees it."""

    def embed_images(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        """Unit-length embeddings (n, dim) of grey 8-bit pictures."""
        ...


@dataclass(frozen=True)
class NearEmbeddings:
    """What was found, and the threshold; None where there are too few pairs to choose one."""

    hits: Hits
    threshold: Threshold | None

    def __str__(self) -> str:
        if self.threshold is None:
            return "There are too few images of different patients to choose a threshold: embeddings are not compared."
        least, closest = (1 - distance for distance in (self.threshold.distance, self.threshold.closest))
        return (
            f"A cosine of at least {least:.5f} counts as near. {self.threshold.in_words(f'a cosine of {closest:.5f}')}"
        )


def near_by_embedding(
    embedder: Embedder, training: Side, evaluation: Side, *, advance: Advance | None = None
) -> NearEmbeddings:
    """Embed every readable image of both sides and compare; the training images are dropped batch by batch.

    The threshold comes from pairs within the evaluation, and within a sample of the training, of different patients.
    `advance` hears how many of how many images are embedded.
    """
    ours, theirs = (np.flatnonzero(side.usable) for side in (evaluation, training))
    sample = training.sample
    total, done = len(ours) + len(sample) + len(theirs), 0

    def embedded(side: Side, numbers: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        nonlocal done
        for start in range(0, len(numbers), _BATCH):
            part = numbers[start : start + _BATCH]
            values = embedder.embed_images([side.picture(int(number)) for number in part])
            done += len(part)
            if advance is not None:
                advance(done, total)
            yield part, values.float().cpu().numpy()

    if not len(ours) or not len(theirs):
        return NearEmbeddings(NO_HITS, None)
    wanted = np.concatenate([values for _, values in embedded(evaluation, ours)])
    typical = np.concatenate([values for _, values in embedded(training, sample)])
    apart = [
        distances_apart(typical, training.patients_of_images[sample]),
        distances_apart(wanted, evaluation.patients_of_images[ours]),
    ]
    threshold = choose_threshold(np.concatenate(apart), comparisons=len(ours) * len(theirs))
    if threshold is None:
        return NearEmbeddings(NO_HITS, None)
    nearest = Nearest(len(ours), limit=threshold.distance)
    for part, values in embedded(training, theirs):
        nearest.show(1 - values @ wanted.T, part)
    found = nearest.hits()
    return NearEmbeddings(Hits(ours[found.evaluation], found.training, found.distance, found.matches), threshold)


def distances_apart(values: NDArray[np.float32], patients: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The distances (1 - cosine) of all pairs of different patients, each pair once."""
    parts = [
        (1 - values[first + 1 :] @ values[first])[patients[first + 1 :] != patients[first]]
        for first in range(len(values) - 1)
    ]
    return np.concatenate([np.zeros(0, dtype=np.float32), *parts])
