"""Where in an image a text is supported: the parts of its score, by place, in the coordinates of the image itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from cxr_clip.data.pictures import ImageInput, as_picture, name_of, read_once, title_of
from cxr_clip.data.transforms import EvalTransform
from cxr_clip.directions import Direction
from cxr_clip.errors import EmbeddingInputError
from cxr_clip.looking import Seen, look
from cxr_clip.model.local_scores import LocalScores, Method
from cxr_clip.model.places import Places

# Larger than any side, so that nothing is shrunk.
WHOLE = 1 << 30


@dataclass(frozen=True)
class Square:
    """How a picture of `height` x `width` pixels became the square that a model sees.

    It was read at `read_height` x `read_width` and transformed by `transform`.
    """

    height: int
    width: int
    read_height: int
    read_width: int
    transform: EvalTransform

    def rows(self) -> Float[np.ndarray, "height"]:
        """Where in the square each row of the picture lies, in pixels; NaN where it was cut off."""
        framing = self.transform.framing(self.read_height, self.read_width)
        return _along(self.height, framing.height, framing.top, self.transform.size)

    def columns(self) -> Float[np.ndarray, "width"]:
        """Where in the square each column of the picture lies, in pixels; NaN where it was cut off."""
        framing = self.transform.framing(self.read_height, self.read_width)
        return _along(self.width, framing.width, framing.left, self.transform.size)


def _along(count: int, resized: int, start: int, size: int) -> NDArray[np.float64]:
    places: NDArray[np.float64] = (np.arange(count) + 0.5) * resized / count - 0.5 - start
    places[(places < -0.5) | (places > size - 0.5)] = np.nan
    return places


def spread(
    cells: Float[np.ndarray, "rows columns"], places: Places, square: Square
) -> Float[np.ndarray, "height width"]:
    """A map over the whole picture, drawn out linearly between the centres of its places; NaN where not seen.

    Values are those of `cells` times their number: their mean over the cells is the sum of `cells`.
    """
    rows, columns = square.rows(), square.columns()
    seen = np.isfinite(rows), np.isfinite(columns)
    down, across = _weights(rows[seen[0]], places), _weights(columns[seen[1]], places)
    values = np.full((square.height, square.width), np.nan, dtype=np.float32)
    values[np.ix_(*seen)] = down @ (cells.astype(np.float64) * cells.size) @ across.T
    return values


def _weights(positions: NDArray[np.float64], places: Places) -> NDArray[np.float64]:
    """How much each of `places` counts at each position, (positions, places)."""
    among = np.clip((positions - places.first) / places.step, 0, places.count - 1)
    return np.asarray(np.maximum(0.0, 1 - np.abs(among[:, None] - np.arange(places.count))))


@dataclass(frozen=True, eq=False)
class TextMap:
    """Where one text is supported.

    `score` is that of `classify`: the cosine with the positive prompts minus that with the negative ones, of a text
    alone its cosine. `cells` is what each place of the network's map adds to it, `elsewhere` what has no place; they
    add up to the score. `values` is the map over the image, in the image's own pixels, NaN where the model does not see
    it; by parts, what the score would be if every place were like this one.
    """

    text: str
    score: float
    method: Method
    cells: Float[np.ndarray, "rows columns"]
    elsewhere: float
    values: Float[np.ndarray, "height width"]

    @cached_property
    def peak(self) -> tuple[float, float]:
        """Row and column of the largest value, in pixels; the middle of all that share it."""
        rows, columns = np.nonzero(self.values == np.nanmax(self.values))
        return float(rows.mean()), float(columns.mean())


@dataclass(frozen=True, eq=False)
class Explanation:
    """The maps of one image, called `name`, for some texts; `picture` is the image in 8-bit grey.

    `doubts`: what speaks against its being a chest X-ray.
    """

    name: str
    picture: UInt8[np.ndarray, "height width"]
    maps: tuple[TextMap, ...]
    doubts: tuple[str, ...] = ()

    def map_of(self, text: str) -> TextMap:
        """The map of one text or finding. Raises EmbeddingInputError where it was not asked."""
        for one in self.maps:
            if one.text == text:
                return one
        raise EmbeddingInputError(
            f"{text!r} was not asked: there are maps of {', '.join(one.text for one in self.maps)}"
        )


@dataclass(frozen=True, eq=False)
class Whole:
    """An image with all its pixels, and as a model sees it."""

    picture: UInt8[np.ndarray, "height width"]
    seen: Seen


def view_whole(image: ImageInput, transform: EvalTransform, *, short_side: int) -> Whole:
    """Read an image in its own size, and as `classify` reads it. Raises EmbeddingInputError where it cannot be read."""
    name = name_of(image, 0)
    source = read_once(image, name)
    picture = as_picture(source, name=name, short_side=WHOLE)
    return Whole(picture, replace(look(source, 0, transform, short_side=short_side), title=title_of(image, 0)))


def differences(directions: Sequence[Direction]) -> Float[torch.Tensor, "directions dim"]:
    """Directions as vectors: the product with an embedding is the score."""
    return torch.stack([one.positive.float() - one.negative.float() for one in directions])


def text_maps(texts: Sequence[str], found: LocalScores, places: Places, square: Square) -> tuple[TextMap, ...]:
    """The maps of one picture, whose scores were taken apart for each of the texts."""
    (scores,), (elsewhere,), (cells,) = found.scores, found.elsewhere, found.places
    return tuple(
        TextMap(
            text=text,
            score=float(scores[number]),
            method=found.method,
            cells=cells[number].cpu().numpy(),
            elsewhere=float(elsewhere[number]),
            values=spread(cells[number].cpu().numpy(), places, square),
        )
        for number, text in enumerate(texts)
    )
