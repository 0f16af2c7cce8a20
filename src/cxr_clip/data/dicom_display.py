"""From stored grey values to 8-bit grey: one table over all values that the bits can hold, then one look-up a pixel."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt, UInt8, UInt16

from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.errors import ImageError

PERCENTILES = (0.005, 0.995)
# NumPy widens what it counts or looks up to 64 bits: by blocks this stays small, and is faster too.
_BLOCK_PIXELS = 1 << 18


@dataclass(frozen=True)
class Lookup:
    """A look-up table: `values[0]` for all input up to `first`, the last one for all beyond the end."""

    first: int
    values: UInt16[np.ndarray, " entries"]

    def __call__(self, inputs: Float[np.ndarray, " codes"]) -> UInt16[np.ndarray, " codes"]:
        """The entry of each input."""
        # A first value of 32768 or more was a negative one, if there are negative inputs (PS3.3 C.11.1.1, C.11.2.1.1).
        first = self.first - 65536 if self.first > 32767 and inputs.min() < 0 else self.first
        places = np.clip(np.floor(inputs) - first, 0, len(self.values) - 1)
        return np.asarray(self.values[places.astype(np.intp)])


@dataclass(frozen=True)
class Window:
    """A window of a centre, a width and a function: LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1.2, C.11.2.1.3)."""

    centre: float
    width: float
    function: str = "LINEAR"

    @property
    def is_usable(self) -> bool:
        """Whether the width is one that the function allows."""
        return self.width >= 1 if self.function == "LINEAR" else self.width > 0

    def __call__(self, inputs: Float[np.ndarray, " codes"]) -> Float[np.ndarray, " codes"]:
        """Map to 0 (black) ... 1 (white)."""
        centre, width = self.centre, self.width
        if self.function == "LINEAR":
            centre, width = centre - 0.5, width - 1
        if width == 0:
            return (inputs > centre).astype(np.float64)
        with np.errstate(over="ignore"):  # a width of almost nothing
            distances = (inputs - centre) / width
        if self.function == "SIGMOID":
            return 1 / (1 + np.exp(np.clip(-4 * distances, -700, 700)))
        return np.clip(distances + 0.5, 0, 1)


@dataclass(frozen=True)
class Display:
    """How stored values are to be shown.

    `bits` and `signed` say what a code means; `inverted` that low values are white; `modality` replaces slope and
    intercept, `voi` the window. `padding` is the range of values that are no image. `palette` gives the grey of each
    value and leaves the rest without effect.
    """

    bits: int
    signed: bool = False
    inverted: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    modality: Lookup | None = None
    voi: Lookup | None = None
    window: Window | None = None
    padding: tuple[int, int] | None = None
    palette: Lookup | None = None


def show(
    codes: UInt[np.ndarray, "height width"], display: Display, windowing: Windowing
) -> UInt8[np.ndarray, "height width"]:
    """Bring stored codes (two's complement where signed) to 8-bit grey. Raises ImageError where nothing can be seen."""
    greys: UInt8[np.ndarray, "height width"] = look_up(
        codes, table_of(count_codes(codes, display.bits), display, windowing)
    )
    return greys


def count_codes(codes: UInt[np.ndarray, "height width"], bits: int) -> Int[np.ndarray, " codes"]:
    """How often each code occurs."""
    flat = codes.reshape(-1)
    return np.asarray(sum((np.bincount(flat[one], minlength=1 << bits) for one in _blocks(flat)), start=np.int64(0)))


def look_up(codes: UInt[np.ndarray, "height width"], table: UInt[np.ndarray, " codes"]) -> Any:
    """The entry of every code, in the type of the table."""
    flat, entries = codes.reshape(-1), np.empty(codes.size, table.dtype)
    for block in _blocks(flat):
        entries[block] = table[flat[block]]
    return entries.reshape(codes.shape)


def _blocks(flat: UInt[np.ndarray, " pixels"]) -> list[slice]:
    return [slice(start, start + _BLOCK_PIXELS) for start in range(0, flat.size, _BLOCK_PIXELS)]


def table_of(counts: Int[np.ndarray, " codes"], display: Display, windowing: Windowing) -> UInt8[np.ndarray, " codes"]:
    """The grey of every code, given how often each occurs.

    The modality LUT (or rescale) comes first, then the windowing; low values are white if `inverted`; padding is black
    and does not count, unless the whole picture is padding. Raises ImageError if the file's window leaves one grey.
    """
    stored = stored_values(display.bits, display.signed)
    if display.palette is not None:
        return display.palette(stored).astype(np.uint8)
    values = (
        stored * display.slope + display.intercept
        if display.modality is None
        else display.modality(stored).astype(np.float64)
    )
    padding = padding_codes(stored, counts, display.padding)
    used = (counts > 0) & ~padding
    greys = np.rint(255 * _windowed(values, np.where(used, counts, 0), display, windowing)).astype(np.uint8)
    if greys[used].min() == greys[used].max() and values[used].min() < values[used].max():
        raise ImageError(
            f"the window of the file shows all of it in one grey: the windowing {Windowing.MIN_MAX} ignores it"
        )
    return np.where(padding, np.uint8(0), 255 - greys if display.inverted else greys)


def stored_values(bits: int, signed: bool) -> Float[np.ndarray, " codes"]:
    """The value of every code."""
    codes = np.arange(1 << bits, dtype=np.float64)
    return np.where(codes >= (1 << (bits - 1)), codes - (1 << bits), codes) if signed else codes


def padding_codes(
    stored: Float[np.ndarray, " codes"], counts: Int[np.ndarray, " codes"], limits: tuple[int, int] | None
) -> Bool[np.ndarray, " codes"]:
    """Which codes are padding: those within the limits, unless the whole picture is."""
    if limits is None:
        return np.zeros(stored.shape, np.bool_)
    inside = (stored >= limits[0]) & (stored <= limits[1])
    return inside if counts[~inside].any() else np.zeros_like(inside)


def _windowed(
    values: Float[np.ndarray, " codes"], counts: Int[np.ndarray, " codes"], display: Display, windowing: Windowing
) -> Float[np.ndarray, " codes"]:
    """Map values to 0 (black) ... 1 (white); `counts` is 0 for what does not count."""
    if windowing is Windowing.PERCENTILE:
        return _between(values, *_percentiles(values, counts))
    if windowing is Windowing.FILE and display.voi is not None:
        shown = display.voi(values).astype(np.float64)
        return shown / ((1 << int(display.voi.values.max()).bit_length()) - 1 or 1)
    if windowing is Windowing.FILE and display.window is not None:
        return display.window(values)
    if windowing is Windowing.FILE and is_plain_eight_bit(display):
        return values / 255
    used = values[counts > 0]
    return _between(values, used.min(), used.max())


def is_plain_eight_bit(display: Display) -> bool:
    """Whether the stored values are greys already."""
    rescaled = display.modality is not None or (display.slope, display.intercept) != (1, 0)
    return display.bits == 8 and not display.signed and not rescaled


def _between(values: Float[np.ndarray, " codes"], low: float, high: float) -> Float[np.ndarray, " codes"]:
    """The range from `low` to `high` as 0 to 1; a flat picture is black."""
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)


def _percentiles(values: Float[np.ndarray, " codes"], counts: Int[np.ndarray, " codes"]) -> tuple[float, float]:
    """The values at the two percentiles; the extremes where these two are equal."""
    order = np.argsort(values, kind="stable")
    order = order[counts[order] > 0]
    below = np.cumsum(counts[order])
    low, high = (values[order[np.searchsorted(below, part * below[-1])]] for part in PERCENTILES)
    return (float(low), float(high)) if high > low else (float(values[order[0]]), float(values[order[-1]]))
