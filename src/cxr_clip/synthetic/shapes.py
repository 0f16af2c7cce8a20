"""Solids as piles of superellipses, so that one solid has an exact shadow from the front and from the side.

Axes, in centimetres: x to the patient's left, y downwards from the apex of the lungs, z backwards. A ray of the frontal
view runs along z, one of the lateral view along x; the length that it runs inside a pile has a closed form in both.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cxr_clip.study import View

Grid: TypeAlias = NDArray[np.float32]
Column: TypeAlias = NDArray[np.float64]
Points: TypeAlias = NDArray[np.float64]
Window: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True)
class Pile:
    """A solid: at height `y` its section is a superellipse around (x, z) with half axes half_x, half_z.

    `boxy` sections have exponent 4 instead of 2: flat inside, steep at the edge.
    """

    y: Column
    x: Column
    z: Column
    half_x: Column
    half_z: Column
    boxy: bool = False


@dataclass(frozen=True)
class Frame:
    """Where the rays of one image run: `u` is x (frontal) or z (lateral) of each column, `y` of each row.

    A turn of `yaw` about the long axis moves what lies behind sideways, a `pitch` moves it down (sines of the angles).
    """

    view: View
    u: Grid
    y: Grid
    pixels_per_cm: float
    yaw: float = 0.0
    pitch: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self.y.shape[0], self.u.shape[1]

    def crop(self, window: Window) -> "Frame":
        """The rays of some rows and columns only."""
        return replace(self, u=self.u[:, window[1]], y=self.y[window[0]])

    def project(self, points: Points) -> Points:
        """Pixel coordinates (column, row) of points (..., 3) in the body."""
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        u = x + self.yaw * z if self.view.is_frontal else z - self.yaw * x
        column = (u - float(self.u[0, 0])) * self.pixels_per_cm
        row = (y + self.pitch * z - float(self.y[0, 0])) * self.pixels_per_cm
        return np.stack([column, row], axis=-1)


@dataclass(frozen=True)
class Span:
    """The part of every ray that lies inside a solid: its middle (a column) and half its length, in cm.

    Only the rays of `window` can meet the solid; `half` holds these, `middle` all rows of the frame of that `shape`.
    """

    middle: Grid
    half: Grid
    window: Window
    shape: tuple[int, int]

    @property
    def length(self) -> Grid:
        """Centimetres of the solid along every ray of the frame."""
        return spread(2.0 * self.half, self.window, self.shape)


def spread(part: Grid, window: Window, shape: tuple[int, int]) -> Grid:
    """A grid of the whole frame from the part in a window, 0 elsewhere."""
    whole = np.zeros(shape, np.float32)
    whole[window] = part
    return whole


def smooth(knots: ArrayLike, values: ArrayLike, at: ArrayLike) -> Column:
    """Curves through knots without kinks (cubic Hermite, slopes by differences), held at the ends.

    `values` holds one curve (n,) or several (..., n); the result has the points of `at` instead of n.
    """
    x, v = np.asarray(knots, float), np.asarray(values, float)
    steps = np.diff(v) / np.diff(x)
    slopes = np.concatenate([steps[..., :1], (steps[..., 1:] + steps[..., :-1]) / 2, steps[..., -1:]], axis=-1)
    a = np.minimum(np.maximum(np.asarray(at, float), x[0]), x[-1])
    i = np.minimum(np.maximum(np.searchsorted(x, a, side="right") - 1, 0), len(x) - 2)
    width = x[i + 1] - x[i]
    t = (a - x[i]) / width
    rise, run = t * t * (3 - 2 * t), t * (1 - t)
    bend = width * run * ((1 - t) * slopes[..., i] - t * slopes[..., i + 1])
    curve: Column = v[..., i] * (1 - rise) + v[..., i + 1] * rise + bend
    return curve


def pile(table: ArrayLike, *, top_cap: float = 0.0, bottom_cap: float = 0.0, boxy: bool = False) -> Pile:
    """A pile from rows (y, x from, x to, z from, z to); a cap rounds that many centimetres of an end."""
    rows = np.asarray(table, float)
    y = np.linspace(rows[0, 0], rows[-1, 0], 64)
    right, left, front, back = smooth(rows[:, 0], rows[:, 1:].T, y)
    shrink = _cap(y - y[0], top_cap) * _cap(y[-1] - y, bottom_cap)
    return Pile(
        y=y,
        x=(right + left) / 2,
        z=(front + back) / 2,
        half_x=np.maximum(left - right, 0.0) / 2 * shrink,
        half_z=np.maximum(back - front, 0.0) / 2 * shrink,
        boxy=boxy,
    )


def ellipsoid(centre: ArrayLike, radii: ArrayLike) -> Pile:
    """The ellipsoid around a point (x, y, z) with three half axes."""
    (x, y, z), (a, b, c) = np.asarray(centre, float), np.asarray(radii, float)
    angle = np.linspace(0.0, np.pi, 33)
    width = np.sin(angle)
    here = np.ones_like(angle)
    return Pile(y=y - b * np.cos(angle), x=x * here, z=z * here, half_x=a * width, half_z=c * width)


def span(solid: Pile, frame: Frame) -> Span:
    """Where the rays of a frame run inside a solid."""
    rows = frame.y[:, 0] - frame.pitch * float(solid.z.mean())
    middle_u, middle, half_u, half = _axes(solid, frame)
    sides = float((middle_u - half_u).min()), float((middle_u + half_u).max())
    window = _between(rows, (float(solid.y[0]), float(solid.y[-1]))), _between(frame.u[0], sides)
    centre = np.interp(rows, solid.y, middle).astype(np.float32)[:, None]
    at = rows[window[0]]
    inverse = 1.0 / np.maximum(np.interp(at, solid.y, half_u), 1e-3).astype(np.float32)[:, None]
    inside = (frame.u[:, window[1]] - np.interp(at, solid.y, middle_u).astype(np.float32)[:, None]) * inverse
    np.square(inside, out=inside)
    if solid.boxy:
        np.square(inside, out=inside)
    np.subtract(1.0, inside, out=inside)
    np.sqrt(np.maximum(inside, 0.0, out=inside), out=inside)
    inside *= np.interp(at, solid.y, half).astype(np.float32)[:, None]
    return Span(middle=centre, half=inside, window=window, shape=frame.shape)


def overlap(first: Span, second: Span) -> Grid:
    """Centimetres of every ray that lie in both solids, over the whole frame."""
    rows, columns = (_common(a, b) for a, b in zip(first.window, second.window, strict=True))
    a, b = (s.half[_within(rows, s.window[0]), _within(columns, s.window[1])] for s in (first, second))
    x, y = first.middle[rows], second.middle[rows]
    near = np.maximum(x - a, y - b)
    far = np.minimum(x + a, y + b)
    shared = np.maximum(np.subtract(far, near, out=far), 0.0, out=far)
    return spread(shared, (rows, columns), first.shape)


def across(solid: Pile, frame: Frame) -> Grid:
    """How far each ray passes from the middle of a solid, 0 there and 1 at its outline; signed along u."""
    rows = frame.y[:, 0] - frame.pitch * float(solid.z.mean())
    middle_u, _, half_u, _ = _axes(solid, frame)
    centre = np.interp(rows, solid.y, middle_u).astype(np.float32)[:, None]
    half = np.maximum(np.interp(rows, solid.y, half_u), 0.05).astype(np.float32)[:, None]
    fraction: Grid = (frame.u - centre) / half
    return fraction


def _between(values: Grid, ends: tuple[float, float]) -> slice:
    """The places of rising values that lie between two ends."""
    first, last = (int(i) for i in np.searchsorted(values, ends))
    return slice(first, max(first, last))


def _common(a: slice, b: slice) -> slice:
    first = max(a.start, b.start)
    return slice(first, max(first, min(a.stop, b.stop)))


def _within(part: slice, window: slice) -> slice:
    """A slice of the frame as a slice of a window that holds it."""
    return slice(min(part.start, window.stop) - window.start, min(part.stop, window.stop) - window.start)


def _axes(solid: Pile, frame: Frame) -> tuple[Column, Column, Column, Column]:
    """Middle and half axis along u and along the ray: (middle u, middle ray, half u, half ray)."""
    if frame.view.is_frontal:
        return solid.x + frame.yaw * solid.z, solid.z, solid.half_x, solid.half_z
    return solid.z - frame.yaw * solid.x, solid.x, solid.half_z, solid.half_x


def _cap(distance: Column, height: float) -> Column:
    """0 at an end of a pile rising to 1 as a quarter circle over `height`."""
    if height <= 0:
        return np.ones_like(distance)
    rest = np.clip(1 - distance / height, 0.0, 1.0)
    curve: Column = np.sqrt(1 - rest**2)
    return curve
