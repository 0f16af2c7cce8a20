"""Whatever people hold a picture in - a path, bytes, an open file, a Pillow image, an array - to 8-bit grey.

Files are read as `cxr-clip prepare` reads them: by the same decoders, with the same limit of pixels, shrunk to the same
short side; of a DICOM file nothing but the image is taken up. Arrays and Pillow images keep their size.
"""

import os
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from cxr_clip.data.images import decode_image, eight_bits, grey
from cxr_clip.errors import EmbeddingInputError, ImageError


@runtime_checkable
class Readable(Protocol):
    """A file that is open for reading bytes."""

    def read(self) -> bytes:
        """The rest of the file."""


ImageInput = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | Image.Image | NDArray[np.generic]
# What `prepare` shrinks to by default.
SHORT_SIDE = 512
# A strip of one pixel would be resized to an enormous picture.
LONGEST_ASPECT = 50

_TAKEN = "a path, bytes, an open binary file, a Pillow image, or a grey uint8 array of height x width"


def as_picture(image: ImageInput, *, name: str, short_side: int = SHORT_SIDE) -> UInt8[np.ndarray, "height width"]:
    """Return one image as an 8-bit grey picture; `name` is how errors call it.

    Arrays: uint8 is taken as it is, uint16 is scaled by the depth in use (12-bit data keep their contrast), and three
    or four equal channels count as one. Raises EmbeddingInputError where the image cannot be read or is none.
    """
    try:
        picture = _read(image, short_side)
    except ImageError as error:
        raise EmbeddingInputError(f"{name}: {error}") from error
    sides = sorted(picture.shape)
    if sides[0] == 0 or sides[1] > LONGEST_ASPECT * sides[0]:
        raise EmbeddingInputError(
            f"{name} is {picture.shape[1]} x {picture.shape[0]} pixels: give a picture at most {LONGEST_ASPECT} times "
            "as long as it is wide"
        )
    return picture


def name_of(image: ImageInput, number: int) -> str:
    """How an error calls image `number`, from 0: with its path, where there is one."""
    path = _path_of(image)
    return f"picture {number}" if path is None else f"picture {number} ({path})"


def title_of(image: ImageInput, number: int) -> str:
    """How a result is called: by the path of its image, or by its number where there is none."""
    return _path_of(image) or f"picture {number}"


def _path_of(image: ImageInput) -> str | None:
    path = image if isinstance(image, str | os.PathLike) else getattr(image, "name", None)
    return str(os.fspath(path)) if isinstance(path, str | os.PathLike) else None


def file_bytes(image: ImageInput) -> bytes | None:
    """The bytes of an image file; absent for what is a picture already. Raises ImageError where it cannot be read."""
    if isinstance(image, str | os.PathLike):
        try:
            return Path(image).read_bytes()
        except OSError as error:
            raise ImageError(f"the file cannot be read ({error.strerror}): check the path") from error
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if not isinstance(image, np.ndarray | Image.Image) and isinstance(image, Readable):
        data = image.read()
        if not isinstance(data, bytes):
            raise ImageError('the file is open for text: open it with mode "rb"')
        return data
    return None


def read_once(image: ImageInput, name: str) -> ImageInput:
    """The bytes of an image file, to be looked at more than once, or the picture that it is already.

    Raises EmbeddingInputError, which calls it `name`, where the file cannot be read.
    """
    try:
        data = file_bytes(image)
    except ImageError as error:
        raise EmbeddingInputError(f"{name}: {error}") from error
    return image if data is None else data


def _read(image: ImageInput, short_side: int) -> NDArray[np.uint8]:
    data = file_bytes(image)
    if data is not None:
        return decode_image(data, short_side=short_side)
    if isinstance(image, Image.Image):
        return grey(image)
    if isinstance(image, np.ndarray):
        return _of_array(image)
    raise ImageError(f"it is of type {type(image).__name__}: give {_TAKEN}")


def _of_array(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    values = _one_channel(array) if array.ndim == 3 else array
    if values.ndim == 2 and values.dtype == np.uint8:
        return np.asarray(values)
    if values.ndim == 2 and values.dtype == np.uint16:
        return eight_bits(values.astype(np.uint16, copy=False))
    mend = "give a grey uint8 array of height x width"
    if values.dtype.kind == "f":
        mend += "; of fractions black and white are unknown: scale yours to 0..255 and round"
    raise ImageError(f"it is an array of {array.dtype} and shape {array.shape}: {mend}")


def _one_channel(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """One of several equal channels; the fourth of four is transparency, which is passed over."""
    channels = array.shape[2]
    colours = array[:, :, : 3 if channels == 4 else channels]
    if channels not in (1, 3, 4):
        raise ImageError(
            f"it is an array of {array.dtype} and shape {array.shape}: give one picture as height x width, and several "
            "as a list"
        )
    if (colours != colours[:, :, :1]).any():
        raise ImageError(
            f"it is an array of {array.dtype} and shape {array.shape} with colours, whose order is unknown: make it "
            "grey, or give the file, or a Pillow image"
        )
    return colours[:, :, 0]
