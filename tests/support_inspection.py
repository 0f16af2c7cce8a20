"""A small manifest without a fault: ten studies of two sources, all pictures different."""

from pathlib import Path

import cv2
import numpy as np

from cxr_clip.data.manifest import ManifestWriter
from cxr_clip.data.store import ShardWriter, member_name
from cxr_clip.study import Certainty, ImageFile, Split, Study, View
from support_data import made_up_picture

SPLITS = (Split.TRAIN,) * 5 + (Split.VALIDATE,) * 2 + (Split.TEST,) * 3


def jpeg(picture: np.ndarray, quality: int = 95) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def write_sound(folder: Path, *, splits: tuple[Split, ...] = SPLITS, reports: bool = True) -> Path:
    """Ten studies of nine patients with one or two images each, all different; every third has labels alone."""
    with (
        ShardWriter(folder, "shards/images-00000.tar") as shard,
        ManifestWriter(folder / "manifest.parquet") as manifest,
    ):
        for number, split in enumerate(splits):
            images = []
            for position, view in enumerate((View.PA, View.LATERAL)[: 1 + number % 2]):
                picture = made_up_picture(100 + number, position, height=64, width=72)
                stored = shard.add(member_name(str(number), position, "jpg"), jpeg(picture))
                images.append(ImageFile(f"{number}/{position}.png", view, stored, height=64, width=72))
            labels_only = number % 3 == 2 or not reports
            findings = {"Edema": list(Certainty)[number % 3]}
            if number % 2:
                findings["Mass"] = Certainty.POSITIVE
            manifest.write(
                Study(
                    id=f"s{number}",
                    patient=f"p{max(1, number)}",
                    source="openi" if number < 5 else "chestxray14",
                    split=split,
                    images=tuple(images),
                    sections={} if labels_only else {"findings": f"Case {number} is  clear. ", "impression": "Normal."},
                    findings=findings,
                    age=30.0 + number,
                    sex="F" if number % 2 else None,
                )
            )
    return folder
