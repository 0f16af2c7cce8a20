"""From the bytes of an image file to one 8-bit grey picture, whatever the file holds."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from cxr_clip.data.dicom import decode_dicom, looks_like_dicom
from cxr_clip.data.dicom_header import read_header
from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.data.jpeg_segments import picture_only
from cxr_clip.errors import ImageError, ImageTooLargeError

Picture = UInt8[np.ndarray, "height width"]

# The largest radiographs have about 20 million pixels; a header that promises more than this is refused unread.
MAX_PIXELS = 80_000_000
JPEG_QUALITY = 95
# The longest side that JPEG encoders write.
_LONGEST_SIDE = 65_500

# Pillow's modes of more than 8 bits.
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")

# What Pillow raises on damaged files: PNG SyntaxError and zlib.error, TIFF struct.error, most others OSError.
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class StoredPicture:
    """A picture in the form that shards keep: the file's bytes, its sides in pixels, its file name suffix."""

    data: bytes
    height: int
    width: int
    suffix: str


def decode_image(data: bytes, *, short_side: int | None = None, windowing: Windowing = Windowing.FILE) -> Picture:
    """Decode a PNG, JPEG, DICOM or other image file to 8-bit grey.

    Colour becomes luma (ITU-R 601), transparency is ignored, a palette is applied, an EXIF rotation is undone.
    More than 8 bits are scaled by the depth in use: the smallest power of two above the largest value, but
    at least 8 bits, so that 12-bit data in a 16-bit file keep their contrast and full-range ones are divided by 257.
    With `short_side` the result is shrunk (by area) to that short side; it is never enlarged. `windowing` is for DICOM.
    Raises ImageError with a plain reason: empty, not an image, truncated, too large.
    """
    if looks_like_dicom(data):
        picture = decode_dicom(data, max_pixels=MAX_PIXELS, short_side=short_side, windowing=windowing)
        return shrink(picture, short_side)
    with _open(data) as image:
        return shrink(_grey(image, short_side), short_side)


def refuse_larger(data: bytes, *, max_pixels: int) -> None:
    """Raise ImageTooLargeError where the header promises more pixels, ImageError where there is none to read."""
    if looks_like_dicom(data):
        read_header(data, max_pixels=max_pixels)
        return
    with _open(data, max_pixels):
        pass


def stored_grey(data: bytes, *, max_pixels: int = MAX_PIXELS) -> UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]:
    """The grey values of a PNG, JPEG or other file in its own depth, 8 or 16 bits. Raises ImageError.

    Colour, palettes and rotation are as in `decode_image`.
    """
    with _open(data, max_pixels) as image:
        upright = _upright(image)
        return _sixteen_bits(np.asarray(upright)) if upright.mode in _DEEP else _eight_bit_grey(upright)


def grey(image: Image.Image) -> Picture:
    """Decode an image that Pillow has opened or made to 8-bit grey, as `decode_image` does. Raises ImageError."""
    if image.width * image.height > MAX_PIXELS:
        raise ImageTooLargeError(f"the image has more than {MAX_PIXELS:,} pixels")
    return _grey(image, None)


def for_store(data: bytes, *, short_side: int, windowing: Windowing = Windowing.FILE) -> StoredPicture:
    """Decode a file once and give it the form that shards keep.

    An 8-bit grey JPEG that is small enough already is compressed once only: it is kept as it is, but for comments and
    EXIF data, which may tell of a patient. All else becomes a grey JPEG of quality 95. Raises ImageError.
    """
    picture = decode_image(data, short_side=short_side, windowing=windowing)
    height, width = picture.shape
    if not looks_like_dicom(data) and _is_small_grey_jpeg(data, short_side) and (kept := picture_only(data)):
        return StoredPicture(data=kept, height=height, width=width, suffix="jpg")
    if max(height, width) > _LONGEST_SIDE:
        raise ImageError(f"the picture is {width:,} x {height:,} pixels, longer than a JPEG can be")
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done, "OpenCV encodes any 8-bit grey picture"
    return StoredPicture(data=encoded.tobytes(), height=height, width=width, suffix="jpg")


def shrink(picture: Picture, short_side: int | None) -> UInt8[np.ndarray, "new_height new_width"]:
    """Shrink a picture by area to the given short side, keeping its aspect; smaller ones come back as they are."""
    height, width = picture.shape
    if short_side is None or min(height, width) <= short_side:
        return picture
    scale = short_side / min(height, width)
    size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _open(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read the header alone; refuse what is no image and what is too large."""
    if not data:
        raise ImageError("the file is empty")
    try:
        with _silence():
            image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"the header promises more than {max_pixels:,} pixels") from error
    except UnidentifiedImageError as error:
        raise ImageError(_what_else(data)) from error
    except _DAMAGE as error:
        raise ImageError(f"the {_kind(data)} header is damaged") from error
    if image.width * image.height > max_pixels:
        raise ImageTooLargeError(f"the header promises more than {max_pixels:,} pixels")
    return image


@contextmanager
def _silence() -> Iterator[None]:
    """Pillow warns of every tag that strays from its format; what matters comes as an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _kind(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "PNG"
    return "JPEG" if data.startswith(b"\xff\xd8") else "image"


def _what_else(data: bytes) -> str:
    """Say what a file is that no image reader knows."""
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return "the file is a web page, not an image (a download that failed?)"
    if start.startswith(b"version https://git-lfs"):
        return "the file is a Git LFS pointer, not an image (fetch it with git lfs pull)"
    if _kind(data) != "image":
        return f"the {_kind(data)} header is damaged"
    if not any(data[:4096]):
        return "the file holds only zero bytes"
    return "the file is in no known image format"


def _grey(image: Image.Image, short_side: int | None) -> Picture:
    """Decode the pixels and bring them to 8-bit grey."""
    if image.format == "JPEG" and image.mode in ("L", "RGB") and short_side is not None:
        # Decodes at 1/2, 1/4 or 1/8 scale, never below the size that is asked for.
        image.draft(image.mode, _least_size(image, short_side))
    upright = _upright(image)
    return eight_bits(np.asarray(upright)) if upright.mode in _DEEP else _eight_bit_grey(upright)


def _upright(image: Image.Image) -> Image.Image:
    """Decode the pixels, and undo an EXIF rotation."""
    try:
        with _silence():
            image.load()
            return ImageOps.exif_transpose(image)
    except _DAMAGE as error:
        raise ImageError(f"the {image.format or 'image'} data are truncated or damaged") from error


def _eight_bit_grey(upright: Image.Image) -> Picture:
    if upright.mode == "F":
        raise ImageError("the pixels are fractions; their black and white are unknown")
    if upright.mode in ("P", "PA"):
        upright = upright.convert("RGBA").convert("RGB")
    return np.asarray(upright.convert("L"))


def _least_size(image: Image.Image, short_side: int) -> tuple[int, int]:
    scale = short_side / min(image.size)
    return max(short_side, round(image.width * scale)), max(short_side, round(image.height * scale))


def eight_bits(deep: NDArray[np.integer]) -> Picture:
    """Scale unsigned integers of more than 8 bits by the depth that they use. Raises ImageError beyond 16 bits."""
    values = _sixteen_bits(deep).astype(np.int64)
    highest = (1 << max(8, int(values.max()).bit_length())) - 1
    return np.asarray((values * 255 + highest // 2) // highest, dtype=np.uint8)


def _sixteen_bits(deep: NDArray[np.integer]) -> NDArray[np.uint16]:
    if deep.size == 0 or deep.min() < 0 or deep.max() > 65535:
        raise ImageError("the pixels do not fit 16 bits")
    return deep.astype(np.uint16, copy=False)


def _is_small_grey_jpeg(data: bytes, short_side: int) -> bool:
    with _open(data) as image, _silence():
        small = image.format == "JPEG" and image.mode == "L" and min(image.size) <= short_side
        # Last, because asking for EXIF data decodes a PNG; 0x0112 is the orientation, 1 upright.
        return small and image.getexif().get(0x0112, 1) == 1
