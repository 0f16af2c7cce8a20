"""One radiograph of a made-up patient: path lengths of every organ, added to attenuation, then developed."""

from dataclasses import dataclass

import cv2
import numpy as np

from cxr_clip.study import Box
from cxr_clip.synthetic.acquisition import Exposure, Picture, Pose, develop, frame_of, roll_matrix
from cxr_clip.synthetic.anatomy import Body, with_findings
from cxr_clip.synthetic.boxes import Mark, box_of
from cxr_clip.synthetic.devices import device_tubes
from cxr_clip.synthetic.organs import Lung, Organs, organs
from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.render_findings import LungView, Scene, changed, draw_lung_finding
from cxr_clip.synthetic.shapes import Frame, Grid, Window, ellipsoid, overlap, span
from cxr_clip.synthetic.skeleton import break_points, draw_skeleton
from cxr_clip.synthetic.tubes import draw_tubes
from cxr_clip.synthetic.vessels import draw_vessels, grow_vessels

_WATER = np.float32(0.19)  # attenuation per cm, about what soft tissue takes at 100 kV
_METAL = np.float32(1.6)
_APART = np.float32(0.35)  # the part of two organs on one ray that lies side by side rather than one within the other
_DIFFUSE = ("Edema", "Emphysema")


@dataclass(frozen=True)
class Patient:
    """A body with the seed of what is drawn at random in it (vessels, lung texture)."""

    body: Body
    seed: int


@dataclass(frozen=True)
class Radiograph:
    """A picture (8-bit grey) with boxes of its localised findings, as fractions of the picture."""

    picture: Picture
    boxes: tuple[Box, ...]


def render(
    patient: Patient,
    findings: tuple[FindingInstance, ...],
    pose: Pose,
    exposure: Exposure,
    *,
    short_side: int,
    image: int = 0,
) -> Radiograph:
    """A view of a patient with findings; `image` is the number that the boxes carry."""
    body = with_findings(patient.body, findings)
    height, width = _pixels(pose.aspect, short_side)
    frame = frame_of(pose, height, width, body.scale)
    scene = Scene(body, frame, *_noise(patient.seed, frame))
    solids = organs(body)
    lungs, marks = _diseased_lungs(solids, scene, findings)
    soft = _soft_tissue(solids, lungs, frame)
    for hernia in (f for f in findings if f.name == "Hernia"):
        added, mark = _hernia(solids, scene, hernia)
        soft, marks = soft + added, [*marks, mark]
    metal = draw_tubes(frame, device_tubes(body, [f for f in findings if f.name == "Support Devices"]))
    attenuation = np.maximum(soft, 0.0) * _WATER + _blood(patient, solids, lungs, scene) + _METAL * metal
    attenuation += draw_skeleton(body, solids, [f for f in findings if f.name == "Fracture"], frame)
    matrix = roll_matrix(pose, frame.shape)
    border = cv2.BORDER_REPLICATE
    turned = cv2.warpAffine(attenuation, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border)
    boxes = [box_of(mark, matrix, frame.shape, image) for mark in [*marks, *_other_marks(solids, scene, findings)]]
    return Radiograph(picture=develop(turned, exposure, frame), boxes=tuple(b for b in boxes if b is not None))


def _pixels(aspect: float, short_side: int) -> tuple[int, int]:
    """Height and width for a width over height."""
    return (short_side, round(short_side * aspect)) if aspect >= 1 else (round(short_side / aspect), short_side)


def _noise(seed: int, frame: Frame) -> tuple[Grid, Grid]:
    """Smooth random fields around 0, one coarse and one fine (grains of about 2.5 and 0.8 cm)."""
    rng = np.random.default_rng(seed + (0 if frame.view.is_frontal else 1))
    return _field(rng, frame, 1.3, 0.9), _field(rng, frame, 0.42, 0.7)


def _field(rng: np.random.Generator, frame: Frame, grain: float, blur: float) -> Grid:
    height, width = frame.shape
    step = grain * frame.pixels_per_cm
    cells = rng.standard_normal((max(int(height / step), 4), max(int(width / step), 4)), dtype=np.float32)
    cells = cv2.GaussianBlur(cells, (0, 0), blur)
    cells *= np.float32(0.6 / max(float(cells.std()), 1e-3))
    field: Grid = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    return field


def _diseased_lungs(
    solids: Organs, scene: Scene, findings: tuple[FindingInstance, ...]
) -> tuple[list[LungView], list[Mark]]:
    """Both lungs with all their findings, and where the localised ones of these lie."""
    lungs: list[LungView] = []
    marks: list[Mark] = []
    for lung in solids.lungs:
        window = span(lung.air, scene.frame).window
        part = scene.crop(window)
        view = _healthy_lung(solids, lung, part, window)
        corner = window[1].start, window[0].start
        for f in findings:
            drawn = draw_lung_finding(view, part, f)
            if f.is_sure and f.name not in _DIFFUSE and drawn is not view:
                marks.append(Mark(f.name, grid=changed(view, drawn), corner=corner))
            view = drawn
        lungs.append(view)
    return lungs, marks


def _healthy_lung(solids: Organs, lung: Lung, scene: Scene, window: Window) -> LungView:
    """A lung free of disease: what the heart, the great vessels and the dome leave of it."""
    whole = span(lung.air, scene.frame)
    taken = overlap(whole, span(lung.dome, scene.frame))
    great = solids.aorta if lung.side == "left" else solids.aorta[2:3]
    for organ in (solids.heart, solids.mediastinum, *great):
        part = overlap(whole, span(organ, scene.frame))
        taken = np.maximum(taken, part) + _APART * np.minimum(taken, part)
    air = np.maximum(whole.length - taken, 0.0)
    density = np.float32(scene.body.lung_density) * (1 + 0.10 * scene.fine + 0.10 * scene.rough)
    zero, one = np.zeros_like(air), np.ones_like(air)
    return LungView(lung, window, whole, air=air, filled=zero, density=density, vessels=one, lines=zero)


def _soft_tissue(solids: Organs, lungs: list[LungView], frame: Frame) -> Grid:
    """Centimetres of water along every ray."""
    torso = span(solids.torso, frame)
    soft = torso.length
    for lung in lungs:
        soft[lung.window] += lung.lines - lung.air * (1 - lung.filled) * (1 - lung.density)
    for breast in solids.breasts:
        outside = span(breast, frame)
        thick = np.float32(0.9 if frame.view.is_frontal else 0.3)
        soft += thick * (outside.length - overlap(outside, torso))
    if frame.view.is_frontal:
        for arm in (span(arm, frame) for arm in solids.arms):
            soft[arm.window] += arm.half
    for gas in solids.gas:
        level, bubble = np.float32(gas.y.mean() + 0.45 * (gas.y[-1] - gas.y.mean())), span(gas, frame)
        above = np.clip((level - frame.y[bubble.window[0]]) / np.float32(0.15), 0.0, 0.92)
        soft[bubble.window] -= 2 * bubble.half * above
    airway = span(solids.airway, frame)
    soft[airway.window] -= np.float32(1.8) * airway.half
    return np.maximum(soft, 0.0, out=soft)


def _blood(patient: Patient, solids: Organs, lungs: list[LungView], scene: Scene) -> Grid:
    """Vessels where there is air around them, and the roots of the lungs, as attenuation."""
    tree = draw_vessels(scene.frame, grow_vessels(solids, scene.body.scale, patient.seed))
    shown = np.zeros(scene.frame.shape, np.float32)
    for lung in lungs:
        part = np.minimum(lung.air * np.float32(0.12), 1.0) * lung.vessels * (1 - lung.filled)
        np.maximum(shown[lung.window], part, out=shown[lung.window])
    tree *= shown
    tree *= np.float32(0.5 * scene.body.vessels)
    for root in (span(hilum, scene.frame) for hilum in solids.hila):
        tree[root.window] += root.half * (1 + 0.5 * scene.fine[root.window]) * np.float32(0.17 * scene.body.vessels)
    return tree


def _hernia(solids: Organs, scene: Scene, f: FindingInstance) -> tuple[Grid, Mark]:
    """Stomach behind the heart, in cm of water: a round wall, fluid below and gas above a level."""
    rng = np.random.default_rng(f.seed)
    r = {"small": 2.3, "moderate": 3.1, "large": 4.2}[f.severity or "moderate"] * rng.uniform(0.95, 1.1)
    x, y = 1.2 + rng.uniform(-0.4, 1.8), min(scene.body.dome_left, scene.body.dome_right) - 0.55 * r + 0.8
    outer = span(ellipsoid((x, y, 3.4), (r * 1.15, r * 0.95, r)), scene.frame)
    inner = span(ellipsoid((x, y, 3.4), (r * 0.98, r * 0.80, r * 0.85)), scene.frame)
    gas = inner.length * np.clip(np.float32(y - 0.05 * r) / np.float32(0.12) - scene.frame.y / np.float32(0.12), 0, 1)
    added = np.float32(0.08) * outer.length - np.float32(0.95) * gas
    for lung in solids.lungs:
        added += np.float32(0.6) * overlap(span(lung.air, scene.frame), outer)
    return added, Mark(f.name, grid=outer.length)


def _other_marks(solids: Organs, scene: Scene, findings: tuple[FindingInstance, ...]) -> list[Mark]:
    """Where the findings lie that are neither in the lungs nor the hernia."""
    marks: list[Mark] = []
    for f in findings:
        if f.name == "Cardiomegaly":
            above = span(solids.heart, scene.frame).length * (scene.frame.y < scene.body.floor)
            marks.append(Mark(f.name, grid=above))
        elif f.name == "Fracture" and (scene.frame.view.is_frontal or f.kind != "clavicle"):  # from the side: ribs only
            marks.append(Mark(f.name, points=scene.frame.project(break_points(scene.body, f))))
        elif f.name == "Support Devices":
            tracks = [scene.frame.project(tube.points) for tube in device_tubes(scene.body, [f])]
            marks.append(Mark(f.name, points=np.concatenate(tracks)))
    return marks
