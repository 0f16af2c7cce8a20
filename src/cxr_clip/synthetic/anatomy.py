"""One made-up patient: the measures of a body, and how disease changes them. Lengths in centimetres."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.shapes import Column, smooth

_ENLARGED = {"mild": (0.535, 0.57), "moderate": (0.58, 0.63), "severe": (0.65, 0.73)}
_INFLATED = {"mild": 0.6, "moderate": 0.8, "severe": 1.0}
_RAISED = {"mild": 0.6, "moderate": 1.2, "severe": 1.6}


@dataclass(frozen=True)
class Body:
    """The measures of one patient.

    `chest` is half the inner width of the thorax, `depth` half its inner depth; `dome_*` is the height of each
    half of the diaphragm; `heart_ratio` is heart width over inner chest width; `fat` is the thickness of the wall.
    """

    sex: str
    age: int
    scale: float
    chest: float
    depth: float
    fat: float
    dome_right: float
    dome_left: float
    dome_height: float
    heart_ratio: float
    heart_lean: float
    aorta: float
    breast: float
    shoulder: float
    shoulder_drop: float
    kyphosis: float
    scoliosis: float
    rib_slope: float
    rib_pitch: float
    clavicle_rise: float
    bone: float
    stomach: float
    lung_density: float
    vessels: float

    @property
    def floor(self) -> float:
        """Height of the lateral costophrenic angles."""
        return max(self.dome_right, self.dome_left) + self.dome_height


def draw_body(rng: np.random.Generator) -> Body:
    """A healthy adult."""
    female = rng.random() < 0.5
    age = int(np.clip(rng.normal(55, 17), 18, 92))
    scale = rng.normal(0.95 if female else 1.03, 0.045)
    girth = float(np.clip(rng.normal(1.0, 0.16), 0.72, 1.5))
    dome = scale * rng.normal(19.0, 1.0)
    return Body(
        sex="F" if female else "M",
        age=age,
        scale=scale,
        chest=scale * rng.normal(14.4, 0.55) * (0.93 + 0.07 * girth),
        depth=scale * rng.normal(8.6, 0.5) * (0.85 + 0.15 * girth),
        fat=1.4 + 2.4 * max(girth - 0.72, 0.0) ** 1.3,
        dome_right=dome,
        dome_left=dome + rng.normal(1.2, 0.5),
        dome_height=scale * rng.normal(5.0, 0.5),
        heart_ratio=float(np.clip(rng.normal(0.435, 0.028), 0.36, 0.49)),
        heart_lean=rng.uniform(0.62, 0.72),
        aorta=float(np.clip(0.75 + (age - 30) * 0.009 + rng.normal(0, 0.12), 0.6, 1.5)),
        breast=float(np.clip(rng.normal(0.75 + 0.6 * (girth - 1), 0.35), 0.0, 1.5)) if female else 0.0,
        shoulder=scale * rng.normal(19.0, 0.9),
        shoulder_drop=rng.normal(0.0, 0.9),
        kyphosis=float(np.clip(rng.normal(1.0 + 0.012 * (age - 40), 0.4), 0.2, 2.6)),
        scoliosis=rng.normal(0, 0.35),
        rib_slope=rng.normal(7.6, 0.8),
        rib_pitch=scale * rng.normal(2.12, 0.07),
        clavicle_rise=rng.normal(2.6, 0.9),
        bone=float(np.clip(1.12 - 0.004 * age + rng.normal(0, 0.08), 0.6, 1.2)),
        stomach=float(np.clip(rng.normal(0.5, 0.45), 0.0, 1.6)),
        lung_density=rng.uniform(0.22, 0.30),
        vessels=rng.uniform(0.8, 1.2),
    )


def with_findings(body: Body, findings: Iterable[FindingInstance]) -> Body:
    """The body as those findings have shaped it that change organs themselves: heart size, lung volume, domes.

    Depends on what the findings are, not on their order: a large heart has the last word on its own width.
    """
    for f in sorted(findings, key=lambda f: (f.name == "Cardiomegaly", f.name)):
        body = _reshape(body, f)
    return body


def chest_outline(body: Body, y: Column) -> tuple[Column, Column, Column]:
    """Half width, front and back of the inner thorax at heights y: what the ribs lie on and the lungs fill."""
    s = body.scale
    knots = np.array([-1.5, 0.0, 2.0, 5.0, 9.0, 14.0, 19.0, 25.0, 34.0]) * s
    shape = np.array(
        [
            [0.30, 0.44, 0.61, 0.77, 0.90, 0.975, 1.0, 1.0, 0.97],
            [0.05, -0.10, -0.35, -0.65, -0.88, -0.98, -1.0, -0.93, -0.8],
            [0.62, 0.72, 0.86, 0.97, 1.04, 1.06, 1.02, 0.92, 0.8],
        ]
    )
    width, front, back = smooth(knots, shape * [[body.chest], [body.depth], [body.depth]], y)
    return width, front, back + bend(body, y)


def bend(body: Body, y: Column) -> Column:
    """How far back the thoracic curve carries the spine at heights y."""
    curve: Column = body.kyphosis * (np.cos((np.asarray(y) - 11.0) / 11.0) - 0.4)
    return curve


def _reshape(body: Body, f: FindingInstance) -> Body:
    if not f.is_sure or f.severity is None:
        return body
    if f.name == "Cardiomegaly":
        low, high = _ENLARGED[f.severity]
        share = np.random.default_rng(f.seed).random()
        return replace(body, heart_ratio=low + share * (high - low))
    if f.name == "Emphysema":
        g = _INFLATED[f.severity]
        return replace(
            body,
            dome_right=body.dome_right + 3.2 * g,
            dome_left=body.dome_left + 3.0 * g,
            dome_height=body.dome_height * (1 - 0.5 * g),
            depth=body.depth * (1 + 0.2 * g),
            heart_ratio=body.heart_ratio * (1 - 0.17 * g),
            lung_density=body.lung_density * (1 - 0.45 * g),
            vessels=body.vessels * (1 - 0.5 * g),
            rib_slope=body.rib_slope * (1 - 0.3 * g),
        )
    if f.name == "Atelectasis" and f.kind == "linear":
        lift = _RAISED[f.severity]
        return replace(
            body,
            dome_right=body.dome_right - (lift if f.on("right") else 0.0),
            dome_left=body.dome_left - (lift if f.on("left") else 0.0),
        )
    return body
