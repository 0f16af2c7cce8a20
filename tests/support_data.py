"""A tiny manifest folder: made-up pictures of about 48 pixels with reports or with labels only."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_clip.data.manifest import ManifestWriter
from cxr_clip.data.store import ShardWriter, member_name
from cxr_clip.study import Certainty, ImageFile, Split, Study, View

SHARD = "shards/images-00000.tar"
SIDES = ("right", "left")
ZONES = ("upper", "middle", "lower")
SHADOWS = {"effusion": "Pleural Effusion", "mass": "Mass", "fracture": "Fracture", "nodule": "Nodule"}
CASES = tuple(product(SIDES, ZONES, SHADOWS))


def write_tiny_manifest(
    folder: Path, *, train: int = 8, validate: int = 4, test: int = 6, label_only_every: int | None = 3
) -> Path:
    """Write a prepared folder; each third study of a split has labels and no report, unless that is None."""
    with ShardWriter(folder, SHARD) as shard, ManifestWriter(folder / "manifest.parquet") as manifest:
        for split, count in ((Split.TRAIN, train), (Split.VALIDATE, validate), (Split.TEST, test)):
            for number in range(count):
                with_report = label_only_every is None or number % label_only_every != label_only_every - 1
                study = _study(split, number, with_report=with_report)
                manifest.write(_with_images(study, number, shard))
    return folder


def _study(split: Split, number: int, *, with_report: bool) -> Study:
    side, zone, shadow = CASES[(5 * number) % len(CASES)]
    sections = {
        "findings": f"There is a {shadow} in the {side} {zone} zone. The heart is of normal size.",
        "impression": f"Case {number}: {side} {zone} {shadow}.",
    }
    findings = dict.fromkeys(SHADOWS.values(), Certainty.NEGATIVE) | {SHADOWS[shadow]: Certainty.POSITIVE}
    name = f"{split.value}-{number}"
    return Study(
        id=name,
        patient=f"patient of {name}",
        source="made-up",
        split=split,
        images=(),
        sections=sections if with_report else {},
        findings=findings,
    )


def _with_images(study: Study, number: int, shard: ShardWriter) -> Study:
    """The study with one to three stored images, the first one a frontal."""
    return Study(**{**vars(study), "images": tuple(_images(study, number, shard))})


def _images(study: Study, number: int, shard: ShardWriter) -> Iterator[ImageFile]:
    for position, view in enumerate((View.PA, View.LATERAL, View.AP)[: 1 + number % 3]):
        picture = made_up_picture(number, position)
        written, encoded = cv2.imencode(".png", picture)
        assert written
        stored = shard.add(member_name(study.id, position, "png"), encoded.tobytes())
        height, width = picture.shape
        yield ImageFile(path=f"{study.id}/{position}.png", view=view, stored=stored, height=height, width=width)


def made_up_picture(number: int, position: int = 0, *, height: int = 48, width: int = 52) -> NDArray[np.uint8]:
    """Noise and one bright ellipse whose place tells the case; the same numbers give the same picture."""
    rng = np.random.default_rng((number, position))
    coarse = rng.integers(40, 180, size=(6, 6)).astype(np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    side, zone, _ = CASES[(5 * number) % len(CASES)]
    centre = (width * (1 + 2 * SIDES.index(side)) // 4, height * (1 + 2 * ZONES.index(zone)) // 6)
    cv2.ellipse(picture, centre, (width // 8, height // 10), 0.0, 0.0, 360.0, 255, -1)
    return np.asarray(picture, dtype=np.uint8)
