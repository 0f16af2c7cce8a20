"""The skeleton: ribs, collar bones, shoulders, breast bone and spine, whole or broken."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cxr_clip.study import View
from cxr_clip.synthetic.anatomy import Body, chest_outline
from cxr_clip.synthetic.organs import Organs
from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.shapes import Frame, Grid, Points, across, span
from cxr_clip.synthetic.tubes import Tube, draw_tubes, fill_outline

_RIBS = 10


@dataclass(frozen=True)
class Break:
    """A broken rib: its number, the point at which it is broken, and the step between the ends in cm."""

    rib: int
    point: int
    shift: float


def draw_skeleton(body: Body, solids: Organs, fractures: Sequence[FindingInstance], frame: Frame) -> Grid:
    """Bone above the soft tissue that it replaces, as attenuation."""
    frontal = frame.view.is_frontal
    bone = _draw_frontal(body, solids, fractures, frame) if frontal else _draw_lateral(body, fractures, frame)
    callus = [tube for f in fractures for tube in callus_tubes(body, f)]
    if callus:
        bone += np.float32(0.55 if frontal else 0.25) * draw_tubes(frame, callus)
    soft: Grid = cv2.GaussianBlur(bone, (0, 0), max(0.09 * frame.pixels_per_cm, 0.4))
    sternum = span(solids.sternum, frame)
    soft[sternum.window] += np.float32(0.05) * sternum.half
    column = span(solids.spine, frame)
    soft[column.window] += column.half * _vertebrae(solids, frame)[column.window[0]]
    soft *= np.float32(body.bone)
    return soft


def ribs(body: Body) -> Points:
    """The ribs of both sides, right then left, as points (2, ribs, 40, 3) from the spine to the front end."""
    number = np.arange(_RIBS)[:, None]
    angle = np.linspace(0.02, 0.78, 40)[None, :] * np.pi
    drop = body.rib_slope * np.clip(0.42 + 0.12 * number, None, 1.12)
    start = (-0.9 * body.scale) + body.rib_pitch * (number + 0.12 * np.sqrt(number))
    y = start + drop * ((1 - np.cos(angle)) / 2) ** 1.15 - 0.55 * np.sin(np.minimum(angle * 2.4, np.pi))
    width, front, back = chest_outline(body, y.ravel())
    half, near, far = (a.reshape(y.shape) for a in (width, front, back))
    x = (half + 0.15) * np.sin(angle) ** 0.85
    z = np.where(np.cos(angle) > 0, far, -near) * np.cos(angle)
    z = np.where(np.cos(angle) > 0, z, near * -np.cos(angle))
    left = np.stack([x, y, z], axis=-1)
    return np.stack([left * np.array([-1.0, 1.0, 1.0]), left])


def rib_tubes(body: Body, fractures: Sequence[FindingInstance]) -> tuple[list[Tube], list[Tube]]:
    """Ribs behind and in front, each broken where a fracture says so."""
    behind: list[Tube] = []
    front: list[Tube] = []
    for side, points in zip(("right", "left"), ribs(body), strict=True):
        broken = {b.rib: b for f in fractures if f.kind == "ribs" and f.on(side) for b in broken_ribs(f)}
        for number, rib in enumerate(points):
            width = (0.95 + 0.03 * min(number, 6)) * body.scale
            behind.append(Tube(rib[:20], width, 0.9))
            front += [Tube(rib[19:33], width * 1.05, 0.58), Tube(rib[31:], width, 0.32)]
            if number in broken:
                behind[-1:] = _break(rib[:22], broken[number], side, width)
    behind.sort(key=lambda tube: (tube.density, len(tube.points)))
    front.sort(key=lambda tube: len(tube.points))
    return behind, front


def broken_ribs(f: FindingInstance) -> list[Break]:
    """Which ribs a fracture breaks: neighbours, along one line."""
    rng = np.random.default_rng(f.seed)
    count = 3 if f.severity == "mild" else 4
    first, point = int(rng.integers(2, 9 - count)), int(rng.integers(8, 13))
    return [Break(n, point + int(rng.integers(-1, 2)), rng.uniform(1.4, 1.9)) for n in range(first, first + count)]


def break_points(body: Body, f: FindingInstance) -> Points:
    """Where the bones of a fracture are broken, (n, 3)."""
    if f.kind == "clavicle":
        return clavicle(body, f.side or "left")[9:15]
    side = 1 if f.side == "left" else 0
    return np.concatenate([ribs(body)[side, b.rib, b.point - 2 : b.point + 5] for b in broken_ribs(f)])


def callus_tubes(body: Body, f: FindingInstance) -> list[Tube]:
    """New bone and blood around the ends of broken ribs."""
    if f.kind != "ribs":
        return []
    down = np.array([0.0, 0.35, 0.0])
    points = break_points(body, f).reshape(-1, 7, 3)
    return [Tube(np.stack([p[1] - down, p[4] + down]), 1.45, 1.0, shell=False) for p in points]


def clavicle(body: Body, side: str) -> Points:
    """The S-shaped collar bone from the breast bone to the shoulder."""
    t = np.linspace(0, 1, 24)
    s = body.scale
    x = (1.6 + 13.4 * t) * s
    y = 2.9 * s - body.clavicle_rise * t**0.8 * 1.25 + 0.55 * np.sin(2 * np.pi * t) + body.shoulder_drop * t * 0.8
    z = -6.0 + 5.5 * t - 1.2 * np.sin(2 * np.pi * t)
    return np.stack([x if side == "left" else -x, y, z], axis=-1)


def clavicle_tubes(body: Body, fractures: Sequence[FindingInstance]) -> list[Tube]:
    """Both collar bones; a broken one overrides and sags."""
    tubes: list[Tube] = []
    for side in ("right", "left"):
        points = clavicle(body, side)
        if any(f.kind == "clavicle" and f.on(side) for f in fractures):
            sign = 1.0 if side == "left" else -1.0
            inner, outer = points[:12].copy(), points[11:].copy()
            inner[:, 1] -= 0.8 * np.linspace(0, 1, 12) ** 2
            outer[:, 1] += 2.0 * np.linspace(1, 0.55, 13)
            outer[:, 0] -= sign * 1.1
            tubes += [Tube(inner, 1.15, 0.95), Tube(outer, 1.15, 0.95)]
        else:
            tubes.append(Tube(points, 1.15, 0.85))
    return tubes


def arm_tubes(body: Body) -> list[Tube]:
    """Heads and shafts of both upper arms, and the spines of the shoulder blades."""
    tubes: list[Tube] = []
    for sign in (-1.0, 1.0):
        x, y = sign * (body.shoulder - 2.6 * body.scale), 1.4 + body.shoulder_drop
        head = np.array([[x, y, 0.0], [x + sign * 0.7, y + 1.2, 0.0]])
        shaft = np.array([[x + sign * 0.9, y + 1.6, 0.0], [x + sign * 2.6, y + 12, 0.0], [x + sign * 3.4, y + 30, 0.0]])
        blade = np.array(
            [[x - sign * 7.0, y + 1.2, 7.0], [x - sign * 2.5, y - 1.0, 6.0], [x + sign * 1.2, y - 2.0, 4.0]]
        )
        tubes += [Tube(shaft, 2.3, 0.8), Tube(head, 4.2, 0.75), Tube(blade, 0.8, 0.55, shell=False)]
    return tubes


def shoulder_blade(body: Body, side: str, swing: float) -> Points:
    """Outline of a shoulder blade; `swing` turns it out of the lung (PA) or leaves it over it (AP)."""
    s, sign = body.scale, 1.0 if side == "left" else -1.0
    drop = body.shoulder_drop
    x = np.array([15.8, 13.4, 10.8 + swing, 11.6 + swing * 1.3, 12.6 + swing * 1.4, 14.2 + swing, 15.9]) * s
    y = np.array([-0.4, 0.4, 3.0, 10.0, 13.0, 9.5, 3.4]) * s + drop
    at = np.linspace(0, 7, 36, endpoint=False)
    ring = np.arange(8)
    rx, ry = (np.interp(at, ring, np.append(v, v[0])) for v in (x, y))
    return np.stack([sign * rx, ry, np.full_like(rx, 0.95 * body.depth)], axis=-1)


def _break(rib: Points, place: Break, side: str, width: float) -> list[Tube]:
    """A rib in two pieces whose ends stand apart in height."""
    sign = 1.0 if side == "left" else -1.0
    at = place.point
    inner, outer = rib[:at].copy(), rib[at + 1 :].copy()
    inner[:, 1] -= 0.55 * place.shift * np.linspace(0, 1, len(inner)) ** 3
    fade = np.linspace(1, 0, len(outer)) ** 1.3
    outer[:, 1] += 0.75 * place.shift * fade
    outer[:, 0] -= sign * 0.9 * fade
    return [Tube(inner, width, 0.95), Tube(outer, width, 0.95)]


def _draw_frontal(body: Body, solids: Organs, fractures: Sequence[FindingInstance], frame: Frame) -> Grid:
    rim = np.minimum(np.square(across(solids.torso, frame)), 1.0)
    rim = rim * rim * rim
    behind, front = rib_tubes(body, fractures)
    bone: Grid = (draw_tubes(frame, behind) + draw_tubes(frame, front)) * (np.float32(0.5) + np.float32(0.5) * rim)
    bone += np.float32(0.55) * draw_tubes(frame, clavicle_tubes(body, fractures))
    bone += np.float32(0.45) * draw_tubes(frame, arm_tubes(body))
    swing = 0.0 if frame.view is View.AP else 1.6
    for side in ("right", "left"):
        bone += np.float32(0.22) * fill_outline(frame, shoulder_blade(body, side, swing), 1.0)
    return bone


def _draw_lateral(body: Body, fractures: Sequence[FindingInstance], frame: Frame) -> Grid:
    behind, front = rib_tubes(body, fractures)
    bone: Grid = (draw_tubes(frame, behind) + draw_tubes(frame, front)) * np.float32(0.16)
    return bone


def _vertebrae(solids: Organs, frame: Frame) -> Grid:
    """How dense the spine is at each height (a column): gaps at its discs, from the side bright plates beside them."""
    nearest = np.abs(frame.y - solids.discs[None, :].astype(np.float32)).min(axis=1, keepdims=True)
    dense = 0.62 + 0.38 * np.clip((nearest - 0.28) / 0.3, 0.0, 1.0)
    plates = 0.2 if frame.view.is_frontal else 0.5 * np.exp(-np.square((nearest - 0.5) / 0.14))
    column: Grid = (dense + plates) * np.float32(0.11 if frame.view.is_frontal else 0.16)
    return column
