"""The branching vessels of the lungs: one tree per patient, in three dimensions, drawn thin to thick."""

import cv2
import numpy as np

from cxr_clip.synthetic.organs import Organs
from cxr_clip.synthetic.shapes import Frame, Grid, Points

_TRUNKS, _STEPS = 20, 12
_BITS = 4
_PENS = ((9, 0.08, 60), (7, 0.11, 80), (5, 0.15, 100), (3, 0.21, 120), (1, 0.30, 145), (0, 0.38, 160))  # step, cm, grey


def grow_vessels(organs: Organs, scale: float, seed: int) -> Points:
    """Branches of both lungs as points (branches, steps, 3), the last third of them side branches."""
    rng = np.random.default_rng(seed)
    trees = []
    for lung in organs.lungs:
        sign = 1.0 if lung.side == "left" else -1.0
        root = np.array([sign * 2.9, 9.6 if sign < 0 else 9.0, 0.8]) * scale
        target = _targets(lung.air.y, rng, float(lung.dome.y[0]))
        y = target[:, 0]
        half_x, half_z = (np.interp(y, lung.air.y, a) for a in (lung.air.half_x, lung.air.half_z))
        ends = np.stack(
            [
                np.interp(y, lung.air.y, lung.air.x) + sign * half_x * target[:, 1],
                y,
                np.interp(y, lung.air.y, lung.air.z) + half_z * target[:, 2],
            ],
            axis=-1,
        )
        trunks = _curves(np.broadcast_to(root, ends.shape), ends, rng)
        forks = trunks[:, 5]
        tips = forks + (ends - root) * 0.42 + rng.normal(0, 1.5 * scale, ends.shape)
        trees += [trunks, _curves(forks, tips, rng)]
    return np.concatenate(trees)


def draw_vessels(frame: Frame, branches: Points) -> Grid:
    """Blood along each ray, about 0 to 1."""
    canvas = np.zeros(frame.shape, np.uint8)
    tracks = np.round(frame.project(branches) * (1 << _BITS)).astype(np.int32)
    for start, width, value in _PENS:
        pixels = width * frame.pixels_per_cm
        pen = max(1, round(pixels))
        lines = list(tracks[:, start : start + 3])
        cv2.polylines(canvas, lines, False, round(value * min(1.0, pixels / pen)), pen, cv2.LINE_AA, _BITS)
    return canvas.astype(np.float32) * np.float32(1 / 255)


def _targets(heights: Points, rng: np.random.Generator, dome: float) -> Points:
    """Where branches end, spread over the lung: height, outward and backward fraction of the half axes."""
    y = np.linspace(1.8, dome + 1.5, _TRUNKS) + rng.normal(0, 0.5, _TRUNKS)
    out = rng.uniform(-0.1, 0.85, _TRUNKS)
    back = rng.uniform(-0.75, 0.75, _TRUNKS)
    return np.stack([np.clip(y, heights[4], None), out, back], axis=-1)


def _curves(start: Points, end: Points, rng: np.random.Generator) -> Points:
    """Gently bent lines between pairs of points."""
    t = np.linspace(0, 1, _STEPS)[None, :, None]
    bend = rng.normal(0, 0.09, (len(end), 1, 3)) * np.linalg.norm(end - start, axis=1)[:, None, None]
    wiggle = rng.normal(0, 0.12, (len(end), _STEPS, 3)) * t
    curves: Points = start[:, None] * (1 - t) + end[:, None] * t + bend * (4 * t * (1 - t)) + wiggle
    return curves
