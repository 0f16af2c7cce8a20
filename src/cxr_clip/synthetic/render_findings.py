"""Disease inside a lung: each finding replaces air by water, or lung by plain air, along the rays of a view."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cxr_clip.synthetic.anatomy import Body
from cxr_clip.synthetic.organs import Lung
from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.shapes import Column, Frame, Grid, Span, Window, across, ellipsoid, overlap, smooth, span

_SIZE = {"mild": 0.0, "small": 0.0, "moderate": 0.5, "severe": 1.0, "large": 1.0}


@dataclass(frozen=True)
class LungView:
    """One lung in one view: the window of the picture that holds it, and what is drawn there.

    `air` is centimetres of lung along each ray, `filled` the part of it that holds water instead, `density` the
    tissue in the rest (0 = plain air), `vessels` how much of the vessels shows, `lines` thin dense structures in cm.
    """

    lung: Lung
    window: Window
    whole: Span
    air: Grid
    filled: Grid
    density: Grid
    vessels: Grid
    lines: Grid


@dataclass(frozen=True)
class Scene:
    """What a finding is drawn with: the body, the frame, and smooth noise of the image's size around 0."""

    body: Body
    frame: Frame
    rough: Grid
    fine: Grid

    def crop(self, window: Window) -> "Scene":
        """The scene in some rows and columns only."""
        return Scene(self.body, self.frame.crop(window), self.rough[window], self.fine[window])


def draw_lung_finding(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """The lung with a finding in it; a lung that the finding does not concern is returned as it is."""
    draw = _DRAW.get(f.name)
    if draw is None or not f.on(view.lung.side):
        return view
    return draw(view, scene, f)


def changed(before: LungView, after: LungView) -> Grid:
    """How much a finding has changed each ray, in cm of water or of lost lung."""
    gain = after.air * (after.filled - before.filled) + (after.lines - before.lines)
    lost = 0.6 * after.air * np.maximum(before.density - after.density, 0.0)
    grown: Grid = gain + lost
    return grown


def _strength(f: FindingInstance) -> float:
    """1 where the finding is sure; a suspicion is drawn faintly."""
    return 1.0 if f.is_sure else 0.25


def _fill(view: LungView, part: Grid) -> LungView:
    """The lung with a further part of what is still air filled."""
    return replace(view, filled=1 - (1 - view.filled) * (1 - np.clip(part, np.float32(0), np.float32(1))))


def _share(length: Grid, air: Grid) -> Grid:
    """Part of the air of a ray that a solid takes."""
    return np.divide(length, np.maximum(air, np.float32(0.3)), dtype=np.float32)


def _ramp(values: Grid, width: float) -> Grid:
    """0 below -width, 1 above width, smooth between."""
    t = np.clip(values * np.float32(0.5 / width) + np.float32(0.5), 0.0, 1.0)
    curve: Grid = t * t * (3 - 2 * t)
    return curve


def _place(view: LungView, f: FindingInstance, rng: np.random.Generator, reach: float) -> Column:
    """A point (x, y, z) of the lung in the lobe that a finding names, at least `reach` from its outline."""
    air, dome = view.lung.air, view.lung.dome
    bottom = float(dome.y[0])
    low, high, depth = {
        "upper lobe": (0.22, 0.42, 0.0),
        "middle lobe": (0.66, 0.78, -0.45),
        "lingula": (0.64, 0.78, -0.45),
        "lower lobe": (0.68, 0.92, 0.5),
    }[f.location or str(rng.choice(["upper lobe", "lower lobe"]))]
    y = max(rng.uniform(low, high) * bottom, reach + 2.5)
    half_x, half_z = float(np.interp(y, air.y, air.half_x)), float(np.interp(y, air.y, air.half_z))
    outwards = 1.0 if f.location in ("lingula", "lower lobe") and view.lung.side == "left" else 0.0
    x = np.interp(y, air.y, air.x) + rng.uniform(-0.5 + 0.55 * outwards, 0.6) * max(half_x - reach * 0.7, 0.5) * (
        1.0 if view.lung.side == "left" else -1.0
    )
    z = np.interp(y, air.y, air.z) + (depth + rng.uniform(-0.2, 0.2)) * max(half_z - reach, 0.5)
    return np.array([x, y, z])


def _consolidation(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """A patch of lung full of fluid, with a ragged edge and open airways in it."""
    rng = np.random.default_rng(f.seed)
    size = 3.6 + 1.6 * _SIZE[f.severity or "moderate"] + rng.uniform(0, 0.6)
    centre = _place(view, f, rng, size * 0.5)
    blob = ellipsoid(centre, np.array([1.15, 0.9, 1.2]) * size * rng.uniform(0.92, 1.12, 3))
    part = _share(overlap(span(blob, scene.frame), view.whole), view.air)
    ragged = _ramp(part * 1.8 - 0.35 + 0.45 * scene.rough + 0.15 * scene.fine, 0.5)
    dense = 0.62 + 0.2 * _SIZE[f.severity or "moderate"]
    return _fill(view, ragged * np.minimum(part * 1.6, 1.0) * (dense * _strength(f)))


def _effusion(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """Fluid up to a level that climbs at the chest wall."""
    rng = np.random.default_rng(f.seed + (1 if view.lung.side == "left" else 0))
    height = {"small": 3.4, "moderate": 7.2, "large": 12.5}[f.severity or "small"] + rng.uniform(-0.4, 0.8)
    level = scene.body.floor - height * (1.0 if f.is_sure else 0.45)
    t = across(view.lung.air, scene.frame)
    wall = -t if scene.frame.view.is_frontal and view.lung.side == "right" else t
    climb = np.clip(wall + 0.15, 0.0, 1.2) ** 2 * (2.6 + 0.12 * height)
    depth = scene.frame.y - (level + 1.8 - climb) + 0.25 * scene.rough
    thick = 0.94 if scene.frame.view.is_frontal else 0.8
    return _fill(view, _ramp(depth, 0.7) * thick * (1.0 if f.is_sure else 0.5))


def _pneumothorax(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """The lung shrunk towards its root inside a rim of plain air, its surface a fine bright line."""
    rng = np.random.default_rng(f.seed)
    grade = _SIZE[f.severity or "small"]
    sign = 1.0 if view.lung.side == "left" else -1.0
    air, top = view.lung.air, 3.4 + 1.6 * grade + rng.uniform(0, 0.8)
    y = np.linspace(top, float(air.y[-1]), 48)
    down = np.clip((y - top) / (float(view.lung.dome.y[0]) - top), 0.0, 1.0)
    width = smooth(
        [0.0, 0.35, 0.7, 1.0], np.array([0.80, 0.84, 0.89, 0.94]) - np.array([0.24, 0.3, 0.3, 0.3]) * grade, down
    )
    width *= np.sqrt(1 - np.clip(1 - (y - top) / 5.0, 0, 1) ** 2)
    half_x = np.interp(y, air.y, air.half_x)
    inner = np.interp(y, air.y, air.x) - sign * half_x
    outline = replace(
        air,
        y=y,
        x=inner + sign * half_x * width,
        z=np.interp(y, air.y, air.z),
        half_x=half_x * width,
        half_z=np.interp(y, air.y, air.half_z) * (0.9 - 0.25 * grade),
        boxy=False,
    )
    inside = np.abs(across(outline, scene.frame))
    below_top = _ramp(scene.frame.y - np.float32(top), 0.15)
    lung = _ramp(1 - inside, 0.04) * below_top
    shown = 1.0 if scene.frame.view.is_frontal else 0.4
    edge = np.exp(-np.square((inside - 1) * np.float32(float(half_x.mean()) / 0.16))) * below_top * (view.air > 1.0)
    return replace(
        view,
        density=view.density * (1 + shown * (lung * (1.35 + 0.5 * grade) - 1)),
        vessels=view.vessels * (1 - shown * (1 - lung)),
        lines=view.lines + edge * (0.75 * shown),
    )


def _edema(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """Haze around the roots, wide blurred vessels, short lines at the bases; clouds where it is severe."""
    grade = _SIZE[f.severity or "mild"]
    t = np.abs(across(view.lung.air, scene.frame))
    s, wing = scene.body.scale, scene.frame.y
    if scene.frame.view.is_frontal:
        sign = 1.0 if view.lung.side == "left" else -1.0
        from_root = np.hypot((scene.frame.u - sign * 4.5 * s) / 6.4, (wing - 11.5 * s) / 7.5)
    else:
        from_root = np.hypot(scene.frame.u / 7.0, (wing - 11.5 * s) / 7.5)
    bat = np.exp(-(from_root**2) * 0.9)
    cloud = np.clip(0.8 + 0.75 * scene.rough + 0.35 * scene.fine, 0.15, 1.8)
    reticular = np.maximum(scene.fine, 0.0) * _ramp(wing - 10 * s, 4.0) * np.minimum(t + 0.3, 1.0)
    part = bat * cloud * (0.15 + 0.33 * grade) + reticular * (0.10 + 0.05 * grade) + 0.035 + 0.05 * grade
    return replace(_fill(view, part.astype(np.float32)), vessels=view.vessels * (1.6 - 0.2 * grade))


def _atelectasis(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """Plates of airless lung above the diaphragm, or an upper lobe that has folded up."""
    return _folded_lobe(view, scene, f) if f.kind == "lobar" else _plates(view, scene, f)


def _plates(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    rng = np.random.default_rng(f.seed + (1 if view.lung.side == "left" else 0))
    top, air = float(view.lung.dome.y[0]), view.lung.air
    filled = np.zeros(scene.frame.shape, np.float32)
    for n in range(2 if f.severity == "mild" else 3):
        y = top - 0.9 - 1.7 * n + rng.uniform(-0.5, 0.5)
        slope, bow = rng.uniform(-0.3, 0.3), rng.uniform(-0.015, 0.03)
        middle_x = float(np.interp(y, air.y, air.x)) + rng.uniform(-1.5, 1.5)
        middle_z = float(np.interp(y, air.y, air.z)) + rng.uniform(-1.0, 3.0)
        half = rng.uniform(3.0, 5.0) - 0.4 * n
        off = scene.frame.u - np.float32(middle_x if scene.frame.view.is_frontal else middle_z)
        thick = rng.uniform(0.34, 0.5) + (0.15 if f.severity == "moderate" else 0.0)
        line = np.exp(-np.square((scene.frame.y - y - slope * off - bow * off * off) / np.float32(thick)))
        filled = np.maximum(filled, line * _ramp(half - np.abs(off), 0.9) * np.float32(0.62))
    haze = 0.22 * _ramp(scene.frame.y - np.float32(top - 3.0), 2.5)
    return _fill(view, np.maximum(filled, haze) * _strength(f))


def _folded_lobe(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """A dense wedge below the apex with a sharp lower edge that rises outwards."""
    rng = np.random.default_rng(f.seed)
    t = across(view.lung.air, scene.frame)
    wall = t if view.lung.side == "left" else -t
    low = (7.6 + rng.uniform(-0.6, 0.8)) * scene.body.scale
    rise = 1.6 * wall + 0.9 * wall**2 if scene.frame.view.is_frontal else 1.5 * np.abs(t)
    edge = np.float32(low) - rise.astype(np.float32)
    return _fill(view, _ramp(edge - scene.frame.y, 0.35) * (0.62 + 0.1 * scene.rough))


def _spot(view: LungView, scene: Scene, centre: Column, radius: float, dense: float) -> LungView:
    ball = overlap(span(ellipsoid(centre, np.full(3, radius)), scene.frame), view.whole)
    return replace(view, lines=view.lines + dense * ball * np.minimum(view.air, 1.0))


def _nodule(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """One round shadow, or three in different lobes of both lungs."""
    rng = np.random.default_rng(f.seed + (1 if view.lung.side == "left" else 0))
    radius = {"small": 0.9, "moderate": 1.25}[f.severity or "small"]
    for _ in range(1 if f.kind == "single" else 2):
        r = radius * rng.uniform(0.9, 1.12)
        view = _spot(view, scene, _place(view, f, rng, r + 0.5), r, 2.2 * _strength(f))
    return view


def _mass(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """A lobulated solid: a large ball with smaller ones on it."""
    rng = np.random.default_rng(f.seed)
    radius = {"moderate": 2.1, "large": 3.0}[f.severity or "moderate"] * rng.uniform(0.92, 1.1)
    centre = _place(view, f, rng, radius)
    solid = overlap(span(ellipsoid(centre, np.full(3, radius)), scene.frame), view.whole)
    for _ in range(3):
        way = rng.normal(size=3)
        lobe = ellipsoid(centre + 0.7 * radius * way / np.linalg.norm(way), np.full(3, radius * 0.62))
        solid = np.maximum(solid, overlap(span(lobe, scene.frame), view.whole))
    return replace(view, lines=view.lines + 1.25 * solid * np.minimum(view.air, 1.0))


def _emphysema(view: LungView, scene: Scene, f: FindingInstance) -> LungView:
    """Thin-walled bubbles of plain air near the apex; the large lung itself comes from the body."""
    rng = np.random.default_rng(f.seed + (1 if view.lung.side == "left" else 0))
    for _ in range({"mild": 0, "moderate": 1, "severe": 3}[f.severity or "mild"]):
        upper = replace(f, location="upper lobe")
        bubble = ellipsoid(_place(view, upper, rng, 1.5), np.full(3, rng.uniform(1.6, 2.6)))
        inside = overlap(span(bubble, scene.frame), view.whole)
        rim = _ramp(inside - 0.25, 0.25) - _ramp(inside - 1.3, 0.8)
        part = np.minimum(_share(inside, view.air), np.float32(1))
        view = replace(
            view,
            density=view.density * (1 - np.float32(0.8) * part),
            vessels=view.vessels * (1 - part),
            lines=view.lines + 0.22 * rim,
        )
    return view


_DRAW: Mapping[str, Callable[[LungView, Scene, FindingInstance], LungView]] = {
    "Consolidation": _consolidation,
    "Pleural Effusion": _effusion,
    "Pneumothorax": _pneumothorax,
    "Edema": _edema,
    "Atelectasis": _atelectasis,
    "Nodule": _nodule,
    "Mass": _mass,
    "Emphysema": _emphysema,
}
