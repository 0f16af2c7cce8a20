"""The maps of a grounding benchmark, each compared with what was drawn: with the right text, a wrong one, and none."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.data.transforms import EvalTransform
from cxr_clip.evaluate.grounding import Agreement, agreement, area_share, centre_prior, region_of
from cxr_clip.evaluate.results import GroundedPicture
from cxr_clip.evaluate.study_images import ReadImage, images_in_use, in_batches
from cxr_clip.explain import Square, spread
from cxr_clip.model.local_scores import LocalScores, Method
from cxr_clip.model.places import Places
from cxr_clip.overlay import coloured
from cxr_clip.study import ImageFile, Study

CONTROLS = ("", "_wrong_text", "_centre")


@runtime_checkable
class Localiser(Protocol):
    """A model whose scores can be taken apart by place."""

    def square(self, picture: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "size size"]:
        """A picture as the model sees it."""
        ...

    def locate(
        self,
        squares: Sequence[UInt8[np.ndarray, "size size"]],
        directions: Float[Tensor, "directions dim"],
        *,
        method: Method | str | None = None,
    ) -> tuple[LocalScores, Places]:
        """The scores of such pictures, taken apart by place, and where the places lie."""
        ...


@dataclass(frozen=True)
class Drawn:
    """An image of study number `study` on which some of the asked findings, by their numbers, were drawn."""

    study: int
    number: int
    file: ImageFile
    findings: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Compared:
    """One finding on one image: the agreement of each of CONTROLS, and what a pixel at random would point at."""

    study: int
    finding: int
    found: tuple[Agreement, ...]
    chance: float


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a model: a direction for each finding, then one for the wrong text of each."""

    findings: tuple[str, ...]
    directions: Float[Tensor, "directions dim"]
    thresholds: tuple[float, ...]
    method: Method | None = None


def drawn_images(studies: Sequence[Study], findings: Sequence[str]) -> list[Drawn]:
    """The images in use on which any of the findings was drawn."""
    images = list[Drawn]()
    for place, study in enumerate(studies):
        in_use = set(images_in_use(study))
        for number, file in enumerate(study.images):
            named = {one.finding for one in study.boxes if one.image == number}
            named |= {one.finding for one in study.masks if one.image == number}
            asked = tuple(index for index, finding in enumerate(findings) if finding in named)
            if file in in_use and asked:
                images.append(Drawn(place, number, file, asked))
    return images


def compare_maps(
    model: Localiser, studies: Sequence[Study], drawn: Sequence[Drawn], read: ReadImage, asked: Asked, *, batch: int
) -> Iterator[Compared]:
    """Compare the maps of each image; a region that the model does not see is left out."""
    for part in in_batches(drawn, batch):
        pictures = [read(one.file) for one in part]
        squares = [model.square(picture) for picture in pictures]
        found, places = model.locate(squares, asked.directions, method=asked.method)
        cells = found.places.float().cpu().numpy()
        for one, picture, of_image in zip(part, pictures, cells, strict=True):
            square = _square(picture, len(squares[0]))
            for finding in one.findings:
                region = _region(studies[one.study], one.number, asked.findings[finding], picture)
                right, wrong = (
                    spread(of_image[number], places, square) for number in (finding, finding + len(asked.findings))
                )
                seen = np.isfinite(right)
                if region[seen].any():
                    compared = (
                        agreement(values, region, asked.thresholds) for values in (right, wrong, centre_prior(seen))
                    )
                    yield Compared(one.study, finding, tuple(compared), area_share(right, region))


def picture_of_map(model: Localiser, study: Study, drawn: Drawn, read: ReadImage, asked: Asked) -> GroundedPicture:
    """The first finding of an image: the map over the picture, what was drawn outlined in white."""
    picture, finding = read(drawn.file), drawn.findings[0]
    square = model.square(picture)
    found, places = model.locate([square], asked.directions[finding][None], method=asked.method)
    values = spread(found.places[0, 0].float().cpu().numpy(), places, _square(picture, len(square)))
    region = _region(study, drawn.number, asked.findings[finding], picture)
    over = coloured(values).astype(np.float64)
    opaque = over[..., 3:] / 255
    mixed = picture[..., None] * (1 - opaque) + over[..., :3] * opaque
    outline = cv2.morphologyEx(region.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    mixed[outline] = 255
    points = float(region[np.isfinite(values) & (values == np.nanmax(values))].mean()) > 0.5
    return GroundedPicture(study.id, asked.findings[finding], np.rint(mixed).astype(np.uint8), points)


def _square(picture: NDArray[np.uint8], size: int) -> Square:
    height, width = picture.shape
    return Square(height, width, height, width, EvalTransform(size))


def _region(study: Study, number: int, finding: str, picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    height, width = picture.shape
    boxes = [one for one in study.boxes if (one.image, one.finding) == (number, finding)]
    masks = [one for one in study.masks if (one.image, one.finding) == (number, finding)]
    return region_of(boxes, masks, height=height, width=width)
