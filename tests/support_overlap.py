"""A training and an evaluation that share what the test says: small prepared folders of made-up radiographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from cxr_clip.data.manifest import ManifestWriter
from cxr_clip.data.provenance import Provenance
from cxr_clip.data.store import ShardWriter, member_name
from cxr_clip.study import ImageFile, Split, Study, View
from cxr_clip.synthetic.acquisition import draw_exposure, draw_pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.render import Patient, render

LONG = (
    "The cardiac silhouette is at the upper limit of normal. A calcified granuloma of {} millimetres projects over the "
    "left sixth rib posteriorly, unchanged since the last examination. No effusion."
)


@dataclass(frozen=True)
class Case:
    """One study with one picture; `file` stands in place of a PNG of it."""

    id: str
    patient: str
    picture: np.ndarray
    report: str = ""
    file: bytes | None = None


@cache
def radiograph(seed: int, side: int = 128) -> np.ndarray:
    rng = np.random.default_rng(seed)
    patient = Patient(draw_body(rng), seed)
    pose, exposure = draw_pose(rng, View.PA, patient.body.scale), draw_exposure(rng, View.PA)
    return render(patient, (), pose, exposure, short_side=side, image=0).picture


def recompressed(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE)


def write_cases(
    folder: Path, cases: Sequence[Case], *, split: Split, source: str = "openi", salt: str | None = None
) -> Path:
    """Write a prepared folder, its pictures as PNG."""
    with (
        ShardWriter(folder, "shards/images-00000.tar") as shard,
        ManifestWriter(folder / "manifest.parquet", Provenance(hashed_ids=salt)) as manifest,
    ):
        for case in cases:
            data = case.file or cv2.imencode(".png", case.picture)[1].tobytes()
            stored = shard.add(member_name(case.id, 0, "png"), data)
            height, width = case.picture.shape
            image = ImageFile(f"{case.id}.png", View.PA, stored, height=height, width=width)
            sections = {"findings": case.report} if case.report else {"impression": f"Study {case.id}."}
            manifest.write(Study(case.id, case.patient, source, split, (image,), sections))
    return folder


TRAINING = [Case(f"t{number}", f"p{number}", radiograph(number), LONG.format(number)) for number in range(8)]
CLEAN = [Case(f"e{number}", f"q{number}", radiograph(100 + number), LONG.format(100 + number)) for number in range(3)]
