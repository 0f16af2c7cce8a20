"""From attenuation to a picture: exposure, display curve, noise, collimation, the marker of the side."""

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_clip.study import View
from cxr_clip.synthetic.shapes import Frame, Grid

Picture: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Pose:
    """How the patient stood and where the beam was: degrees, centimetres, and the field's size in cm."""

    view: View
    yaw: float
    pitch: float
    roll: float
    field: float
    aspect: float
    shift_u: float
    shift_y: float


@dataclass(frozen=True)
class Exposure:
    """How the detector's signal became grey: contrast, brightness, noise, edge enhancement, borders, marker."""

    contrast: float
    brightness: float
    noise: float
    local: float
    sharpen: float
    border: tuple[float, float, float, float]
    marker: str
    marker_place: tuple[float, float]
    marker_style: int
    seed: int


def draw_pose(rng: np.random.Generator, view: View, scale: float) -> Pose:
    """A pose as in routine work; a bedside film (AP) is the less careful one."""
    sloppy = 1.6 if view is View.AP else 1.0
    frontal = view.is_frontal
    return Pose(
        view=view,
        yaw=float(np.clip(rng.normal(0, 2.2 * sloppy), -9, 9)),
        pitch=float(np.clip(rng.normal(2.5 if view is View.AP else 0, 2.0 * sloppy), -6, 10)) if frontal else 0.0,
        roll=float(np.clip(rng.normal(0, 1.3 * sloppy), -5, 5)),
        field=scale * rng.uniform(35.0, 40.5) if frontal else scale * rng.uniform(34.0, 39.0),
        aspect=rng.uniform(0.96, 1.12) if frontal else rng.uniform(0.82, 1.0),
        shift_u=rng.normal(0, 0.9) if frontal else rng.normal(0.8, 0.8),
        shift_y=rng.normal(0, 1.0),
    )


def draw_exposure(rng: np.random.Generator, view: View) -> Exposure:
    """An exposure as in routine work."""
    collimated = rng.random() < 0.35
    border = tuple(float(v) for v in rng.uniform(0, 0.045, 4) * (rng.random(4) < 0.5)) if collimated else (0.0,) * 4
    left_marker = rng.random() < 0.85
    return Exposure(
        contrast=rng.uniform(0.85, 1.2),
        brightness=rng.normal(0, 0.22),
        noise=rng.uniform(0.5, 1.6) * (1.4 if view is View.AP else 1.0),
        local=rng.uniform(0.15, 0.4),
        sharpen=rng.uniform(0.1, 0.6),
        border=(border[0], border[1], border[2], border[3]),
        marker=("L" if left_marker else "R") if rng.random() < 0.9 else "",
        marker_place=(rng.uniform(0.03, 0.08), rng.uniform(0.04, 0.14)),
        marker_style=int(rng.integers(4)),
        seed=int(rng.integers(2**31)),
    )


def frame_of(pose: Pose, height: int, width: int, scale: float) -> Frame:
    """The rays of a pose over an image of that many pixels."""
    per_pixel = pose.field / min(height, width)
    u = (np.arange(width) - (width - 1) / 2) * per_pixel + pose.shift_u
    y = (np.arange(height) - (height - 1) / 2) * per_pixel + pose.shift_y + 13.2 * scale
    return Frame(
        view=pose.view,
        u=u.astype(np.float32)[None, :],
        y=y.astype(np.float32)[:, None],
        pixels_per_cm=1 / per_pixel,
        yaw=float(np.sin(np.radians(pose.yaw))),
        pitch=float(np.sin(np.radians(pose.pitch))),
    )


def roll_matrix(pose: Pose, shape: tuple[int, int]) -> NDArray[np.float64]:
    """The turn of the image about its middle, 2 x 3, for points and for pictures."""
    height, width = shape
    matrix: NDArray[np.float64] = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), pose.roll, 1.0)
    return matrix


def develop(attenuation: Grid, exposure: Exposure, frame: Frame) -> Picture:
    """A picture, white where much was absorbed."""
    small = attenuation[::4, ::4]
    body = small[small > 0.35]
    body = body if body.size > 50 else small.ravel() + 1e-3
    low, high = np.percentile(body, (10, 88) if frame.view.is_frontal else (8, 72))
    wide = _wide_blur(attenuation)
    detail = attenuation - wide
    flat = attenuation - np.float32(exposure.local) * (wide - np.float32((low + high) / 2)) * (attenuation > 0.1)
    if exposure.sharpen > 0.05:
        soft = cv2.GaussianBlur(attenuation, (0, 0), max(0.12 * frame.pixels_per_cm, 0.6))
        flat = flat + np.float32(exposure.sharpen) * (attenuation - soft)
    spread = max(float(high - low), 0.6) * (1 - 0.6 * exposure.local)
    slope = 2.5 * exposure.contrast / spread
    raised = (flat + np.float32(0.12) * detail - np.float32((low + high) / 2)) * np.float32(slope)
    grain = np.random.default_rng(exposure.seed).random(attenuation.shape, dtype=np.float32)
    grain -= np.float32(0.5)
    grain *= np.exp(np.minimum(attenuation, 5.0) * np.float32(0.22)) * np.float32(0.049 * exposure.noise)
    grey = 1 / (1 + np.exp(-(raised + grain + np.float32(exposure.brightness - 0.12))))
    grey *= 1 - np.exp(attenuation * np.float32(-4.0))
    picture = _collimate(np.clip(grey * 262 + 2, 0, 255).astype(np.uint8), exposure)
    return _mark(picture, exposure, frame.view)


def _wide_blur(attenuation: Grid) -> Grid:
    """The broad trend, from a picture reduced eightfold."""
    height, width = attenuation.shape
    small = cv2.resize(attenuation, (max(width // 8, 8), max(height // 8, 8)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), small.shape[0] / 9)
    blurred: Grid = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return blurred


def _collimate(picture: Picture, exposure: Exposure) -> Picture:
    """Black beyond the blades of the collimator."""
    height, width = picture.shape
    top, bottom, left, right = (
        round(b * side) for b, side in zip(exposure.border, (height, height, width, width), strict=True)
    )
    framed = np.zeros_like(picture)
    inside = slice(top, height - bottom), slice(left, width - right)
    framed[inside] = picture[inside]
    return framed


def _mark(picture: Picture, exposure: Exposure, view: View) -> Picture:
    """The lead letter: on the patient's own side in a frontal view."""
    if not exposure.marker:
        return picture
    height, width = picture.shape
    inset, down = exposure.marker_place
    on_right_of_image = exposure.marker == "L" if view.is_frontal else exposure.marker_style % 2 == 0
    size = height / 230 * (0.45 + 0.1 * exposure.marker_style)
    x = round(width * (1 - inset) - 12 * size) if on_right_of_image else round(width * inset)
    pen = max(1, round(size * 1.6))
    text = exposure.marker + ("T" if exposure.marker_style == 3 and exposure.marker == "L" else "")
    at = (min(x, width - round(22 * size * len(text))), round(height * down + 22 * size))
    return cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, 245, pen, cv2.LINE_AA)  # type: ignore[no-any-return]
