"""Boxes around findings in the finished picture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxr_clip.study import Box
from cxr_clip.synthetic.shapes import Grid, Points

_STRONG = 0.3  # a ray belongs to a finding where it is changed by this part of the strongest change
_FAINTEST = 0.15  # cm of water: below it a change cannot be seen
_SMALLEST = 0.005


@dataclass(frozen=True)
class Mark:
    """Where a finding lies before the picture is turned.

    Either how much each ray is changed, in a window of the picture that starts at `corner` (column, row); or points
    in pixels (n, 2).
    """

    finding: str
    grid: Grid | None = None
    corner: tuple[int, int] = (0, 0)
    points: Points | None = None


def box_of(mark: Mark, matrix: NDArray[np.float64], shape: tuple[int, int], image: int) -> Box | None:
    """The box around a mark after the turn by `matrix` (2 x 3), or None where nothing of it is in the picture."""
    corners = mark.points if mark.grid is None else _extent(mark.grid, mark.corner)
    if corners is None:
        return None
    turned = corners @ matrix[:, :2].T + matrix[:, 2]
    pad, size = 0.006 * min(shape), np.array([shape[1], shape[0]])
    left, top = np.clip((turned.min(axis=0) - pad) / size, 0.0, 1.0).tolist()
    right, bottom = np.clip((turned.max(axis=0) + pad) / size, 0.0, 1.0).tolist()
    if right - left < _SMALLEST or bottom - top < _SMALLEST:
        return None
    return Box(finding=mark.finding, image=image, left=left, top=top, right=right, bottom=bottom)


def _extent(grid: Grid, corner: tuple[int, int]) -> Points | None:
    """Corners (4, 2) of the part of a grid that is strongly changed."""
    peak = float(grid.max(initial=0.0))
    if peak < _FAINTEST:
        return None
    strong = grid > _STRONG * peak
    columns, rows = np.flatnonzero(strong.any(axis=0)), np.flatnonzero(strong.any(axis=1))
    (left, right), (top, bottom) = columns[[0, -1]], rows[[0, -1]]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)
    shifted: Points = corners + np.array(corner)
    return shifted
