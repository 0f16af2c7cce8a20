"""From a study to one sample: two images and two texts, drawn by a generator made from (seed, epoch, index)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import ImageError
from cxr_clip.study import ImageFile, Study

ReadImage = Callable[[ImageFile], NDArray[np.uint8]]
DrawTexts = Callable[[Study, np.random.Generator], tuple[str, ...]]
TurnTexts = Callable[[Sequence[str], np.random.Generator], tuple[str, ...]]
DrawPicture = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]

# Hard negatives have draws of their own, so that a training with them has the images and texts of one without.
_OF_TURNED = 1


class ChooseImages(Protocol):
    """How the images of a study are chosen: at random for training, the first ones for validation."""

    def __call__(self, study: Study, rng: np.random.Generator, /, *, count: int) -> tuple[ImageFile, ...]:
        """Choose `count` images of a study."""


class SampleKey(NamedTuple):
    """Study number `study` of the data set, drawn in an epoch; `copy` counts how often before in the same epoch."""

    epoch: int
    study: int
    copy: int = 0


@dataclass(frozen=True)
class StudySample:
    """What was drawn from one study: square grey pictures and texts, one or two of each.

    `turned` are hard negatives: sentences, each followed by the turned one, as many of the first text as of the second;
    empty where there are fewer.
    """

    images: tuple[NDArray[np.uint8], ...]
    texts: tuple[str, ...]
    study_id: str
    turned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """The studies of one manifest, with the ways to read and to word them, and to turn what the words mean."""

    studies: Sequence[Study]
    read_image: ReadImage
    texts: DrawTexts
    turned: TurnTexts | None = None


class StudyDataset:
    """The studies of one or several manifests; an item depends on `seed` and its key alone."""

    def __init__(
        self, parts: Sequence[Part], *, choose: ChooseImages, transform: DrawPicture, images: int, seed: int
    ) -> None:
        self._parts = tuple(parts)
        self._choose = choose
        self._ends = np.cumsum([len(part.studies) for part in parts])
        self._transform = transform
        self._images = images
        self._seed = seed

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, key: SampleKey) -> StudySample:
        epoch, index, copy = key
        part, study = self._find(index)
        rng = np.random.default_rng((self._seed, epoch, index, copy) if copy else (self._seed, epoch, index))
        files = self._choose(study, rng, count=self._images)
        texts = part.texts(study, rng)
        turned: tuple[str, ...] = ()
        if part.turned:
            turned = part.turned(texts, np.random.default_rng((self._seed, epoch, index, copy, _OF_TURNED)))
        pictures = {file: _read(part, study, file) for file in dict.fromkeys(files)}
        return StudySample(
            images=tuple(self._transform(pictures[file], rng) for file in files),
            texts=texts,
            study_id=study.id,
            turned=turned,
        )

    def _find(self, index: int) -> tuple[Part, Study]:
        number = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[number - 1]) if number else 0
        return self._parts[number], self._parts[number].studies[index - start]


def _read(part: Part, study: Study, file: ImageFile) -> NDArray[np.uint8]:
    try:
        return part.read_image(file)
    except ImageError as error:
        raise ImageError(f"study {study.id!r} of {study.source}: {error}") from error


def choose_images(study: Study, rng: np.random.Generator, *, count: int) -> tuple[ImageFile, ...]:
    """Draw `count` images: different ones if the study has as many, else the only one twice (to be varied twice)."""
    if count <= len(study.images):
        return tuple(study.images[int(number)] for number in rng.choice(len(study.images), size=count, replace=False))
    return (study.images[0],) * count


def first_images(study: Study, _rng: np.random.Generator, *, count: int) -> tuple[ImageFile, ...]:
    """Take the first images, frontal ones before others: the choice of validation."""
    ordered = sorted(study.images, key=lambda image: not image.view.is_frontal)
    return tuple((ordered * count)[:count])
