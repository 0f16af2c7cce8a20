"""Curved tubes and flat plates in the body, drawn where they fall in a view."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_clip.synthetic.shapes import Frame, Grid, Points

_FRACTION_BITS = 4


@dataclass(frozen=True)
class Tube:
    """A curved tube: points (n, 3), its width in cm and how dense it is, 0 to 1; a shell is brighter at its rims."""

    points: Points
    width: float
    density: float
    shell: bool = True


def draw_tubes(frame: Frame, tubes: Iterable[Tube]) -> Grid:
    """Density of the tubes in each pixel, 0 to 1; where two cross, the later one counts."""
    canvas = np.zeros(frame.shape, np.uint8)
    for count, alike in groupby(tubes, key=lambda tube: len(tube.points)):
        _draw_alike(canvas, frame, list(alike), count)
    return canvas.astype(np.float32) * np.float32(1 / 255)


def fill_outline(frame: Frame, outline: Points, density: float) -> Grid:
    """A flat bone with a bright rim, from its outline (n, 3)."""
    canvas = np.zeros(frame.shape, np.uint8)
    corners = _fixed(frame.project(outline))
    cv2.fillPoly(canvas, [corners], int(255 * density * 0.55), cv2.LINE_AA, _FRACTION_BITS)
    width = max(1, round(0.35 * frame.pixels_per_cm))
    cv2.polylines(canvas, [corners], True, int(255 * density), width, cv2.LINE_AA, _FRACTION_BITS)
    return canvas.astype(np.float32) * np.float32(1 / 255)


def _draw_alike(canvas: NDArray[np.uint8], frame: Frame, tubes: list[Tube], count: int) -> None:
    """Draw tubes of equally many points, in one go as far as arithmetic is concerned."""
    tracks = frame.project(np.stack([tube.points for tube in tubes]))
    widths = np.array([tube.width for tube in tubes]) * frame.pixels_per_cm
    normals = _normals(tracks) * (widths / 2)[:, None, None]
    outer, inner = _outlines(tracks, normals), _outlines(tracks, normals * 0.5)
    for i, tube in enumerate(tubes):
        value = int(255 * tube.density)
        cv2.fillPoly(canvas, [outer[i]], value, cv2.LINE_AA, _FRACTION_BITS)
        if count < 4:
            _round_ends(canvas, tracks[i], widths[i], value)
        if tube.shell and widths[i] > 2.2:
            cv2.fillPoly(canvas, [inner[i]], int(value * 0.62), cv2.LINE_AA, _FRACTION_BITS)


def _normals(tracks: Points) -> Points:
    """Unit vectors across tracks (n, points, 2)."""
    along = np.empty_like(tracks)
    along[:, 1:-1] = tracks[:, 2:] - tracks[:, :-2]
    along[:, 0], along[:, -1] = tracks[:, 1] - tracks[:, 0], tracks[:, -1] - tracks[:, -2]
    along /= np.maximum(np.hypot(along[..., 0], along[..., 1]), 1e-6)[..., None]
    return np.stack([-along[..., 1], along[..., 0]], axis=-1)


def _outlines(tracks: Points, normals: Points) -> NDArray[np.int32]:
    """The bands around tracks as polygons (n, 2 points, 2) in fractions of a pixel."""
    return _fixed(np.concatenate([tracks + normals, (tracks - normals)[:, ::-1]], axis=1))


def _round_ends(canvas: NDArray[np.uint8], track: Points, width: float, value: int) -> None:
    for end in _fixed(track[[0, -1]]):
        cv2.circle(
            canvas, end.tolist(), round(width / 2 * (1 << _FRACTION_BITS)), value, -1, cv2.LINE_AA, _FRACTION_BITS
        )


def _fixed(points: Points) -> NDArray[np.int32]:
    return np.round(points * (1 << _FRACTION_BITS)).astype(np.int32)
