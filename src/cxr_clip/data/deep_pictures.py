"""A picture for a display that sets its own window: grey values of up to 16 bits, and the window of the file.

The values are whole numbers from 0 up, low ones dark: what the modality LUT (or rescale) gives, moved and stretched to
whole numbers, with MONOCHROME1 inverted. Shown in its own window a picture is what `decode_image` makes of the file,
within two greys; a sigmoid is shown as the straight line of the same centre and width.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt, UInt16
from numpy.typing import NDArray

from cxr_clip.data.dicom import looks_like_dicom
from cxr_clip.data.dicom_display import (
    Display,
    count_codes,
    is_plain_eight_bit,
    look_up,
    padding_codes,
    stored_values,
)
from cxr_clip.data.dicom_header import read_header
from cxr_clip.data.dicom_pixels import grey_codes, luma
from cxr_clip.data.images import MAX_PIXELS, stored_grey


@dataclass(frozen=True, eq=False)
class DeepPicture:
    """Grey values of `bits` bits; black lies at `centre - width / 2` and below, white at `centre + width / 2`."""

    values: UInt16[np.ndarray, "height width"]
    bits: int
    centre: float
    width: float


def decode_deep(data: bytes, *, longest: int, max_pixels: int = MAX_PIXELS) -> DeepPicture:
    """Decode a file as `decode_image` does, in its own depth, shrunk by area to `longest` pixels a side.

    Raises ImageError, and MissingPackageError where the file is DICOM and pydicom or imagecodecs is not installed.
    """
    picture = (
        _of_dicom(data, max_pixels) if looks_like_dicom(data) else _plain(stored_grey(data, max_pixels=max_pixels))
    )
    height, width = picture.values.shape
    if max(height, width) <= longest:
        return picture
    size = tuple(max(1, round(side * longest / max(height, width))) for side in (width, height))
    return replace(picture, values=np.asarray(cv2.resize(picture.values, size, interpolation=cv2.INTER_AREA)))


def _plain(values: UInt[np.ndarray, "height width"]) -> DeepPicture:
    """Greys, whose white is the largest number of the bits in use."""
    bits = 8 if values.dtype == np.uint8 else _bits(int(values.max()))
    return DeepPicture(values.astype(np.uint16), bits, *_all_of(bits))


def _of_dicom(data: bytes, max_pixels: int) -> DeepPicture:
    frame, display = read_header(data, max_pixels=max_pixels)
    if frame.channels == 3:
        return _plain(luma(frame))
    codes, bits = grey_codes(frame)
    table = deep_table(count_codes(codes, bits), replace(display, bits=bits))
    return DeepPicture(look_up(codes, table.values), table.bits, table.centre, table.width)


@dataclass(frozen=True, eq=False)
class DeepTable:
    """The value of every code, in `bits` bits, and the window; as in DeepPicture."""

    values: UInt16[np.ndarray, " codes"]
    bits: int
    centre: float
    width: float


def deep_table(counts: Int[np.ndarray, " codes"], display: Display) -> DeepTable:
    """The value of every code that a display is to have, given how often each occurs."""
    stored = stored_values(display.bits, display.signed)
    if display.palette is not None:
        return DeepTable(display.palette(stored), 8, *_all_of(8))
    padding = padding_codes(stored, counts, display.padding)
    table = _scaled(stored, (counts > 0) & ~padding, display)
    top = (1 << table.bits) - 1
    if display.inverted:
        table = replace(table, values=np.asarray(top - table.values, np.uint16), centre=top - table.centre)
    return replace(table, values=np.where(padding, np.uint16(0), table.values))


def _scaled(stored: Float[np.ndarray, " codes"], used: Bool[np.ndarray, " codes"], display: Display) -> DeepTable:
    """What the modality LUT or rescale gives, as whole numbers from 0, and the window in the same units."""
    modality = display.modality
    values = stored * display.slope + display.intercept if modality is None else modality(stored).astype(np.float64)
    if display.voi is not None:
        bits = max(1, int(display.voi.values.max()).bit_length())
        return DeepTable(display.voi(values), bits, *_all_of(bits))
    low, unit = float(values.min()), abs(display.slope) if modality is None else 1.0
    whole = np.rint((values - low) / unit)
    centre, width = _window(whole[used], display)
    if display.window is not None:
        centre, width = (centre - low) / unit, width / unit
    return DeepTable(whole.astype(np.uint16), _bits(int(whole.max())), centre, max(1.0, width))


def _window(used: NDArray[np.float64], display: Display) -> tuple[float, float]:
    """The window of the file, in its units, else that of all values in use, in whole numbers."""
    window = display.window
    if window is not None:
        is_linear = window.function == "LINEAR"
        return (window.centre - 0.5, window.width - 1) if is_linear else (window.centre, window.width)
    if is_plain_eight_bit(display):
        return _all_of(8)
    low, high = float(used.min()), float(used.max())
    return (low + high) / 2, high - low


def _bits(largest: int) -> int:
    return max(8, largest.bit_length())


def _all_of(bits: int) -> tuple[float, float]:
    """The window from 0 to the largest number of some bits."""
    top = (1 << bits) - 1
    return top / 2, float(top)
