"""Lines, tubes, wires and boxes that medicine leaves in a chest."""

from collections.abc import Iterable

import numpy as np

from cxr_clip.synthetic.anatomy import Body
from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.shapes import Points, smooth
from cxr_clip.synthetic.tubes import Tube

_WIRE, _CATHETER, _TUBE = 0.20, 0.26, 0.9


def device_tubes(body: Body, devices: Iterable[FindingInstance]) -> list[Tube]:
    """The devices of a study as tubes in the body."""
    return [tube for f in devices if f.kind is not None for tube in _BUILD[f.kind](body, f)]


def _through(knots: Iterable[tuple[float, float, float]], scale: float, mirror: float = 1.0) -> Points:
    """A smooth curve through points (x, y, z), mirrored for the other side."""
    points = np.array(list(knots)) * scale * np.array([mirror, 1.0, 1.0])
    at = np.linspace(0, len(points) - 1, 48)
    return smooth(np.arange(len(points)), points.T, at).T


def _mirror(f: FindingInstance) -> float:
    """1 where the device enters from the left, -1 from the right."""
    return -1.0 if f.side == "right" else 1.0


def _pacemaker(body: Body, f: FindingInstance) -> list[Tube]:
    """A box below the collar bone, one lead to the right atrium and one to the tip of the right ventricle."""
    m, s = _mirror(f), body.scale
    rng = np.random.default_rng(f.seed)
    x, y = 10.3 + rng.uniform(-0.8, 0.8), 4.6 + rng.uniform(-0.6, 1.0)
    box = np.array([[m * (x - 0.7), y, -7.5], [m * (x + 0.7), y - 0.2, -7.0]]) * s
    way = [(m * x, y, -7.0), (m * 8, 1.6, -6.0), (m * 4.0, 2.2, -3.0), (-1.6, 5.5, -2.0), (-2.6, 11.0, -1.5)]
    atrium = [*way, (-3.0, 14.0, -3.0), (-1.6, 13.2, -5.0)]
    tip = body.heart_ratio * body.chest * 1.25 / s
    ventricle = [*way, (-2.8, 15.5, -2.5), (0.5, 17.6, -5.0), (tip, 18.0, -6.0)]
    return [
        Tube(box, 4.2, 1.0, shell=False),
        Tube(_through(atrium, s), _WIRE, 0.95, shell=False),
        Tube(_through(ventricle, s), _WIRE, 0.95, shell=False),
    ]


def _central_line(body: Body, f: FindingInstance) -> list[Tube]:
    """From the neck down to the superior vena cava."""
    m = _mirror(f)
    knots = [(m * 6.5, -7.5, -3), (m * 4.4, -3.0, -3), (m * 2.6, 2.5, -3), (-1.7, 6.5, -2), (-2.2, 10.5, -2)]
    return [Tube(_through(knots, body.scale), _CATHETER, 0.85, shell=False)]


def _picc(body: Body, f: FindingInstance) -> list[Tube]:
    """From the arm along the armpit and below the collar bone to the vena cava."""
    m = _mirror(f)
    knots = [
        (m * 20, 13, 0),
        (m * 17.0, 6, 0),
        (m * 12.5, 2.0, -3),
        (m * 6, 1.2, -4),
        (m * 2.4, 3.2, -3),
        (-1.8, 6.8, -2),
        (-2.3, 11.5, -2),
    ]
    return [Tube(_through(knots, body.scale), _CATHETER, 0.85, shell=False)]


def _port(body: Body, f: FindingInstance) -> list[Tube]:
    """A round reservoir on the chest wall and its catheter to the vena cava."""
    m, s = _mirror(f), body.scale
    well = np.array([[m * 9.2, 5.6, -8.0], [m * 9.8, 6.8, -8.0]]) * s
    knots = [
        (m * 9.0, 5.6, -7.5),
        (m * 8, 1.0, -6),
        (m * 5, -0.2, -4),
        (m * 2.6, 3.0, -3),
        (-1.8, 7.0, -2),
        (-2.4, 12.0, -2),
    ]
    return [Tube(well, 2.2, 1.0), Tube(_through(knots, s), _CATHETER, 0.85, shell=False)]


def _sternal_wires(body: Body, f: FindingInstance) -> list[Tube]:
    """Six loops that hold the breast bone together, and clips beside the heart."""
    rng = np.random.default_rng(f.seed)
    s, t = body.scale, np.linspace(0, 2 * np.pi, 20)
    tubes = []
    for y in 4.0 + 2.5 * np.arange(6) + rng.uniform(-0.25, 0.25, 6):
        loop = np.stack(
            [0.95 * np.cos(t), y + 0.55 * np.sin(t) + 0.1 * np.cos(t), -0.93 * body.depth / s - 0.6 * np.cos(t)], -1
        )
        tubes.append(Tube(loop * s, 0.24, 1.0, shell=False))
    for x, y in rng.uniform((1.5, 10.0), (5.5, 15.0), (4, 2)):
        tubes.append(Tube(np.array([[x, y, -5.0], [x + 0.5, y + 0.35, -5.0]]) * s, 0.22, 1.0, shell=False))
    return tubes


def _endotracheal(body: Body, f: FindingInstance) -> list[Tube]:
    """In the windpipe, its tip above the carina."""
    end = 4.4 + np.random.default_rng(f.seed).uniform(-1.0, 0.8)
    knots = [(0.4, -12, -2), (0.1, -5, -1.5), (0.0, 0, 0.4), (0.05, end, 1.2)]
    return [
        Tube(_through(knots, body.scale), _TUBE, 0.7),
        Tube(_through(knots, body.scale) + 0.25, 0.16, 1.0, shell=False),
    ]


def _enteric(body: Body, _: FindingInstance) -> list[Tube]:
    """Down the gullet into the stomach."""
    s = body.scale
    low = body.dome_left / s
    knots = [(0.3, -12, 1), (0.5, 0, 3), (0.4, 10, 4), (1.2, low - 2, 2), (4.0, low + 3.0, -1), (7.0, low + 5.0, -3)]
    return [Tube(_through(knots, s), 0.4, 0.85, shell=False)]


_BUILD = {
    "pacemaker": _pacemaker,
    "central line": _central_line,
    "picc": _picc,
    "port": _port,
    "sternal wires": _sternal_wires,
    "endotracheal tube": _endotracheal,
    "enteric tube": _enteric,
}
