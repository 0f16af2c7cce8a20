"""One image as a model sees it, with what speaks against its being a chest X-ray."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cxr_clip.data.doubts import colour_doubts, pixel_doubts
from cxr_clip.data.pictures import ImageInput, as_picture, name_of, read_once, title_of

Transform = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Seen:
    """A picture of the model's size called `title`, and doubts in words; `height`, `width` are what it was read at."""

    title: str
    square: NDArray[np.uint8]
    doubts: tuple[str, ...]
    height: int
    width: int


def look(image: ImageInput, number: int, transform: Transform, *, short_side: int) -> Seen:
    """Read image `number`, once. Raises EmbeddingInputError that names it."""
    name = name_of(image, number)
    source = read_once(image, name)
    picture = as_picture(source, name=name, short_side=short_side)
    coloured = colour_doubts(source) if isinstance(source, bytes | Image.Image) else ()
    return Seen(title_of(image, number), transform(picture), (*coloured, *pixel_doubts(picture)), *picture.shape)
