"""The solids of a body, each from its measures: torso, lungs with their domes, heart, great vessels, spine."""

from dataclasses import dataclass

import numpy as np

from cxr_clip.synthetic.anatomy import Body, bend, chest_outline
from cxr_clip.synthetic.shapes import Column, Pile, ellipsoid, pile, smooth


@dataclass(frozen=True)
class Lung:
    """One lung with the half of the diaphragm that bulges into it."""

    side: str
    air: Pile
    dome: Pile


@dataclass(frozen=True)
class Organs:
    """The solids of a body; the arms hang in the frontal view and are raised out of the lateral one."""

    torso: Pile
    lungs: tuple[Lung, Lung]
    heart: Pile
    aorta: tuple[Pile, ...]
    mediastinum: Pile
    sternum: Pile
    hila: tuple[Pile, ...]
    airway: Pile
    spine: Pile
    discs: Column
    breasts: tuple[Pile, ...]
    gas: tuple[Pile, ...]
    arms: tuple[Pile, ...]


def organs(body: Body) -> Organs:
    """The solids of a body."""
    s, d = body.scale, body.depth
    return Organs(
        torso=_torso(body),
        lungs=(_lung(body, "right"), _lung(body, "left")),
        heart=_heart(body),
        aorta=_aorta(body),
        mediastinum=_mediastinum(body),
        sternum=_sternum(body),
        hila=tuple(ellipsoid((x * s, y * s, 0.5), (1.5 * s, 2.3 * s, 1.6 * s)) for x, y in ((-3.5, 9.4), (3.7, 8.7))),
        airway=pile(
            [(-9, -0.8, 0.8, -2.6, -1.0), (0, -0.85, 0.85, -0.4, 1.2), (6.8 * s, -0.9, 0.9, 1.2, 2.8)], bottom_cap=0.8
        ),
        spine=_spine(body),
        discs=np.arange(-9.0, 34.0, 2.35 * s) + 0.9 * body.kyphosis,
        breasts=_breasts(body),
        gas=_gas(body),
        arms=tuple(
            pile([(2, x - 4.2, x + 4.2, -d * 0.4, d * 0.5), (40, x * 1.08 - 3.6, x * 1.08 + 3.6, -4, 4)], top_cap=4)
            for x in (-body.shoulder - body.fat * 0.8 - 2.2, body.shoulder + body.fat * 0.8 + 2.2)
        ),
    )


def _torso(body: Body) -> Pile:
    s, fat, w, d = body.scale, body.fat, body.chest, body.depth
    drop, shoulder = body.shoulder_drop, body.shoulder + 0.6 * body.fat
    neck = 5.6 * s + 0.35 * fat
    levels = (
        (-14.0, neck, 6.0, 6.5),
        (-7.0 + drop, neck + 0.4, 6.0, 7.0),
        (-4.6 + drop, neck + 3.4, 6.0, 7.6),
        (-2.6 + drop, shoulder * 0.74, 6.6, 8.6),
        (0.0 + drop, shoulder * 0.98, 7.2, 9.0 + fat),
        (3.0, shoulder * 1.0, d * 0.8 + fat, d + fat + 0.6),
        (6.0, w + fat + 2.6, d + fat, d + fat + 1.2),
        (9.5, w + fat + 1.6, d + fat + 0.4, d + fat + 1.2),
        (15.0, w + fat + 1.0, d + fat + 0.4, d + fat + 0.8),
        (24.0, w + fat * 1.1 + 0.8, d + fat * 1.4, d + fat),
        (42.0, w + fat * 1.3, d + fat * 1.9, d + fat),
    )
    return pile([(y * s, -x, x, -front, back + float(bend(body, np.array(y * s)))) for y, x, front, back in levels])


def _lung(body: Body, side: str) -> Lung:
    """A lung from its apex to below the angle of its pleura, with the dome that takes most of that lower part."""
    s, sign = body.scale, 1.0 if side == "left" else -1.0
    dome_top = body.dome_left if side == "left" else body.dome_right
    angle = dome_top + body.dome_height
    y = np.concatenate([np.linspace(0, 0.85 * dome_top, 9), np.linspace(dome_top, angle + 3.6, 5)])
    width, front, back = chest_outline(body, y)
    inner = smooth([0.0, 3 * s, 7 * s, 11 * s, 40.0], np.array([1.7, 1.3, 0.9, 0.7, 0.7]) * s, y)
    edges = (sign * inner, sign * (width - 0.25))
    low, high = np.minimum(*edges), np.maximum(*edges)
    air = pile(np.column_stack([y, low, high, front + 0.8, back - 0.5]), top_cap=4.2 * s, bottom_cap=1.0, boxy=True)
    return Lung(side=side, air=air, dome=_dome(air, dome_top, angle, sign))


def _dome(air: Pile, top: float, angle: float, sign: float) -> Pile:
    """The half of the diaphragm: nearer the middle and the front at its top, filling the lung at the angle."""
    y = np.linspace(top, angle + 6.0, 48)
    fraction = (y - top) / (angle - top)
    grow = np.sqrt(1 - np.clip(1 - fraction, 0, 1) ** 2.0) + 0.22 * np.clip(fraction - 1, 0, None)
    middle, half_x = np.interp(y, air.y, air.x), np.interp(y, air.y, air.half_x / 1.0)
    depth, half_z = np.interp(y, air.y, air.z), np.interp(y, air.y, air.half_z)
    full_x, full_z = float(air.half_x.max()), float(air.half_z.max())
    half_x, half_z = np.maximum(half_x, 0.9 * full_x), np.maximum(half_z, 0.9 * full_z)
    return Pile(
        y=y,
        x=middle - sign * 0.16 * half_x,
        z=depth - 0.22 * half_z,
        half_x=1.16 * half_x * grow,
        half_z=1.2 * half_z * grow**0.7,
    )


def _heart(body: Body) -> Pile:
    """Atrium on the right, ventricle towards the left front, bulging down onto the diaphragm."""
    s = body.scale
    width = 2 * body.chest * body.heart_ratio
    left, right = width * body.heart_lean, width * (1 - body.heart_lean)
    big = body.heart_ratio / 0.44
    top, base = 8.4 * s - 1.2 * (big - 1), max(body.dome_left, body.dome_right) + 2.2
    y = top + np.array([0.0, 0.14, 0.34, 0.55, 0.74, 0.88, 1.0]) * (base - top)
    to_left = np.array([0.30, 0.40, 0.60, 0.82, 0.98, 1.0, 0.88]) * left
    to_right = np.array([0.50, 0.66, 0.90, 1.0, 0.97, 0.86, 0.62]) * right
    front = np.array([0.62, 0.74, 0.86, 0.92, 0.93, 0.90, 0.84]) * -body.depth
    back = front + np.array([0.6, 0.8, 1.0, 1.10, 1.10, 1.05, 0.9]) * 10.2 * s * (0.5 + 0.5 * big)
    return pile(np.column_stack([y, -to_right, to_left, front, back]), top_cap=1.4, bottom_cap=1.2, boxy=True)


def _aorta(body: Body) -> tuple[Pile, ...]:
    """Ascending part, knob, descending part and the pulmonary trunk: what edges the mediastinum."""
    s, a = body.scale, body.aorta
    bend = 0.6 * a * np.sin(np.linspace(0, np.pi, 7))
    y = np.linspace(6.0, 30.0, 7) * s
    middle = 1.6 * s + bend + 0.3
    back = 0.62 * body.depth
    down = np.column_stack([y, middle - 1.15 * a**0.5, middle + 1.15 * a**0.5, y * 0 + back - 2.4, y * 0 + back])
    return (
        ellipsoid((1.2 * s + 0.4 * a, 6.3 * s, 1.5), (1.9 * s + 0.7 * a, 2.3 * s * a**0.5, 4.4 * s)),
        ellipsoid((1.4 * s, 9.8 * s, -1.5), (2.4 * s, 3.0 * s, 3.2 * s)),
        ellipsoid((-1.3 * s, 8.4 * s, -2.5), (1.9 * s + 0.3 * a, 4.4 * s, 2.2 * s)),
        pile(down, top_cap=1.5),
    )


def _mediastinum(body: Body) -> Pile:
    """Great veins, gullet, fat and the soft tissue before the spine."""
    s, d = body.scale, body.depth
    wide = 1.0 + 0.05 * body.fat
    levels = (
        (-12, 3.0, -5, 5),
        (-1, 2.7, -0.45 * d, 0.7 * d),
        (3, 2.8, -0.65 * d, 0.8 * d),
        (8, 2.7, -0.8 * d, 0.8 * d),
        (12, 1.9, -0.8 * d, 0.8 * d),
        (24, 1.7, -0.8 * d, 0.8 * d),
    )
    return pile(
        [
            (y * s, -x * s * wide - 0.1, x * s * wide, z0, z1 + float(bend(body, np.array(y * s))))
            for y, x, z0, z1 in levels
        ]
    )


def _sternum(body: Body) -> Pile:
    y = np.linspace(2.5, 17.5, 9) * body.scale
    _, front, _ = chest_outline(body, y)
    return pile(np.column_stack([y, y * 0 - 1.7, y * 0 + 1.7, front - 0.9, front + 0.2]), top_cap=0.8, bottom_cap=0.8)


def _spine(body: Body) -> Pile:
    y = np.linspace(-12, 40, 27)
    side = body.scoliosis * np.sin(y / 7.0)
    half = np.interp(y, [-12, 0, 30], [1.2, 1.5, 2.1]) * body.scale
    _, _, back = chest_outline(body, y)
    front = back - 4.6 * body.scale
    return pile(np.column_stack([y, side - half, side + half, front, front + 2.9 * body.scale]), boxy=True)


def _breasts(body: Body) -> tuple[Pile, ...]:
    if body.breast < 0.15:
        return ()
    b, s = body.breast, body.scale
    y, front = (14.5 + 2.2 * b) * s, -(body.depth + body.fat * 0.6)
    radii = (5.0 + 1.6 * b, 5.4 + 1.7 * b, 1.4 + 2.0 * b)
    return tuple(ellipsoid((sign * 0.56 * body.chest, y, front), radii) for sign in (-1.0, 1.0))


def _gas(body: Body) -> tuple[Pile, ...]:
    """The stomach bubble below the left dome."""
    g, s = body.stomach, body.scale
    if g < 0.2:
        return ()
    radii = (1.5 + 1.7 * g, 0.8 + 1.2 * g, 1.8 + 1.4 * g)
    return (ellipsoid((5.8 * s, body.dome_left + 0.7 + radii[1], -2.0), radii),)
