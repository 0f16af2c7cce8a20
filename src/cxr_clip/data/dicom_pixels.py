"""From the bytes of one DICOM frame to its stored codes; the only user of imagecodecs."""

import io
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from jaxtyping import Shaped, UInt, UInt8
from PIL import Image, features

from cxr_clip.data.dicom_codestream import JPEG_2000, JPEG_LS, Codestream, read_codestream
from cxr_clip.errors import ImageError, MissingPackageError

# What decoders raise on damaged frames; imagecodecs' own errors are RuntimeErrors.
_DAMAGE = (ValueError, TypeError, RuntimeError, OSError, EOFError, IndexError, OverflowError, MemoryError, SyntaxError)

Codes = UInt[np.ndarray, "height width"]


@dataclass(frozen=True)
class Frame:
    """One frame as it lies in the file, and how to read it.

    `syntax` is the name of the transfer syntax; `coding` is "native", "RLE" or "compressed". `channels` is 1 or 3,
    `stored` of the `allocated` bits (8 or 16) hold the value, the highest of them at `high_bit`.
    """

    data: bytes
    syntax: str
    coding: str
    height: int
    width: int
    allocated: int
    stored: int
    high_bit: int
    channels: int = 1
    photometric: str = "MONOCHROME2"
    signed: bool = False
    planar: bool = False
    big_endian: bool = False

    @property
    def samples(self) -> int:
        """The number of samples of a frame that is not compressed."""
        return self.height * self.width * (2 if self.is_halved else self.channels)

    @property
    def is_halved(self) -> bool:
        """Whether two pixels share their colour."""
        return self.coding == "native" and self.photometric == "YBR_FULL_422"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a sample that is not compressed."""
        return np.dtype(f"{'>' if self.big_endian else '<'}u{self.allocated // 8}")


def grey_codes(frame: Frame, *, short_side: int | None = None) -> tuple[Codes, int]:
    """Decode a frame of one channel to its codes (two's complement where signed) and say how many bits they have.

    Bits beyond those stored (overlays of old files) are cleared. With `short_side`, JPEG 2000 may come at a half, a
    quarter, ... of its size, never below that side. Raises ImageError, and MissingPackageError without imagecodecs.
    """
    if frame.coding == "compressed":
        stream = _checked(frame)
        pixels = _reduced(frame, stream, short_side)
        pixels = _decoded(frame, stream).reshape(frame.height, frame.width) if pixels is None else pixels
        bits = min(frame.stored, stream.precision) if frame.signed else max(frame.stored, stream.precision)
        return _masked(pixels, bits), bits
    codes = _samples(frame).reshape(frame.height, frame.width)
    shift = frame.high_bit + 1 - frame.stored
    return _masked(codes >> shift if shift else codes, frame.stored), frame.stored


def luma(frame: Frame) -> UInt8[np.ndarray, "height width"]:
    """Decode a frame of three channels of 8 bits to its luma (ITU-R 601). Raises ImageError."""
    if frame.coding == "compressed":
        decoded = _decoded(frame, _checked(frame))
        return decoded if decoded.ndim == 2 else _luma_of(decoded, frame)
    samples = _samples(frame)
    if frame.is_halved:  # Y Y Cb Cr for two pixels
        return samples.reshape(-1, 4)[:, :2].reshape(frame.height, frame.width)
    if frame.planar or frame.coding == "RLE":
        return _luma_of(samples.reshape(3, frame.height, frame.width).transpose(1, 2, 0), frame)
    return _luma_of(samples.reshape(frame.height, frame.width, 3), frame)


def _luma_of(colours: UInt8[np.ndarray, "height width 3"], frame: Frame) -> UInt8[np.ndarray, "height width"]:
    if frame.photometric in ("YBR_FULL", "YBR_FULL_422"):
        return np.ascontiguousarray(colours[..., 0])
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _masked(codes: Codes, bits: int) -> Codes:
    return codes if bits >= codes.dtype.itemsize * 8 else codes & codes.dtype.type((1 << bits) - 1)


def _samples(frame: Frame) -> UInt[np.ndarray, " samples"]:
    """The samples of a frame that is native or run-length coded."""
    data, needed = frame.data, frame.samples * frame.dtype.itemsize
    if frame.coding == "RLE":
        try:
            data = _imagecodecs().dicomrle_decode(data, frame.dtype, out=needed)
        except _DAMAGE as error:
            raise _undecodable(frame) from error
    if len(data) < needed:
        raise ImageError(f"the pixels are cut short: {len(data):,} of {needed:,} bytes are there")
    samples = np.frombuffer(data, frame.dtype, frame.samples)
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def _checked(frame: Frame) -> Codestream:
    """The header of the compressed frame. Raises ImageError if it is not what the DICOM header says."""
    stream = read_codestream(frame.data)
    if (stream.height, stream.width) != (frame.height, frame.width):
        raise ImageError(f"the pixels ({frame.syntax}) have another size than the header says")
    if stream.components != frame.channels:
        raise ImageError(f"the pixels ({frame.syntax}) have another number of channels than the header says")
    if stream.precision > (8 if frame.channels == 3 else 16):
        raise ImageError(f"the pixels ({frame.syntax}) have {stream.precision} bits, which is not supported")
    return stream


def _decoded(frame: Frame, stream: Codestream) -> UInt[np.ndarray, "height width ..."]:
    """Decode a compressed frame; colour JPEG comes as luma."""
    try:
        pixels = _decode(frame, stream)
    except _DAMAGE as error:
        raise _undecodable(frame) from error
    expected = {(frame.height, frame.width), (frame.height, frame.width, frame.channels)}
    if pixels.shape not in expected or pixels.dtype.itemsize > 2:
        raise _undecodable(frame)
    return pixels.view(pixels.dtype.str.replace("i", "u"))


def _decode(frame: Frame, stream: Codestream) -> Shaped[np.ndarray, "height width ..."]:
    codecs = _imagecodecs()
    if stream.kind == JPEG_LS:
        return np.asarray(codecs.jpegls_decode(frame.data))
    if stream.kind == JPEG_2000:
        return np.asarray(codecs.jpeg2k_decode(frame.data))
    if frame.channels == 1:
        return np.asarray(codecs.jpeg8_decode(frame.data))
    # Without a marker of its own, libjpeg takes three channels for YCbCr.
    named = b"JFIF" in frame.data[:64] or b"Adobe" in frame.data[:64]
    space = "RGB" if frame.photometric == "RGB" and not named else None
    return np.asarray(codecs.jpeg8_decode(frame.data, colorspace=space, outcolorspace="GRAYSCALE"))


def _reduced(frame: Frame, stream: Codestream, short_side: int | None) -> Codes | None:
    """JPEG 2000 decoded at 1/2, 1/4, ... of its size, several times faster; None where that cannot be done."""
    if short_side is None or stream.kind != JPEG_2000 or stream.signed or not features.check("jpg_2000"):
        return None
    halvings = min(stream.halvings, (min(frame.height, frame.width) // short_side).bit_length() - 1)
    if halvings < 1 or not 8 <= stream.precision <= 16:
        return None
    try:
        with Image.open(io.BytesIO(frame.data)) as image:
            image.reduce = halvings  # type: ignore[method-assign, assignment] # a setting before load, by its documentation
            image.load()
            pixels = np.asarray(image)
    except (*_DAMAGE, Image.DecompressionBombError):
        return None
    # Pillow moves values of more than 8 bits up until they fill 16.
    return pixels >> (16 - stream.precision) if pixels.dtype == np.uint16 else pixels


def _undecodable(frame: Frame) -> ImageError:
    return ImageError(f"the pixels ({frame.syntax}) cannot be decoded")


def _imagecodecs() -> ModuleType:
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingPackageError('compressed DICOM images need imagecodecs: pip install "cxr-clip[dicom]"') from error
    return imagecodecs
