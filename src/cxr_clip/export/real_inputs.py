"""Real pictures and texts of a prepared folder: some to calibrate an 8-bit model on, others to see what it loses."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from cxr_clip.data.manifest import FILE_NAME, Manifest, read_manifest
from cxr_clip.data.reports import REPORT_SECTIONS
from cxr_clip.data.store import ImageStore
from cxr_clip.errors import ExportError
from cxr_clip.study import Split, Study

# Evenly spaced studies of the training and of the validation part.
CALIBRATED, CHECKED = 128, 128
Picture = UInt8[np.ndarray, "height width"]


@dataclass(frozen=True)
class RealInputs:
    """Pictures to calibrate on, and pictures and texts of other patients; `manifest` is the SHA-256 of their list."""

    manifest: str
    calibration: tuple[Picture, ...]
    pictures: tuple[Picture, ...]
    texts: tuple[str, ...]


def read_real_inputs(prepared: Path) -> RealInputs:
    """Read what a prepared folder has.

    Raises ManifestError, ImageError, and ExportError where training or validation studies have no image.
    """
    manifest = read_manifest(prepared)
    store = ImageStore(manifest.root)
    train, validate = (
        _spaced(manifest.where(split=split), count)
        for split, count in ((Split.TRAIN, CALIBRATED), (Split.VALIDATE, CHECKED))
    )
    calibration, pictures = (tuple(_pictures(studies, store)) for studies in (train, validate))
    if not calibration or not pictures:
        raise ExportError(
            f"{prepared} has {len(calibration)} training and {len(pictures)} validation studies with an image: an "
            "8-bit model needs some of both, to be calibrated and to be checked"
        )
    texts = [study.sections[name] for study in validate for name in REPORT_SECTIONS if name in study.sections]
    listed = manifest.root / FILE_NAME
    digest = hashlib.sha256(listed.read_bytes()).hexdigest()
    return RealInputs(digest, calibration, pictures, tuple(dict.fromkeys(texts)))


def _spaced(studies: Manifest, count: int) -> list[Study]:
    rows = np.unique(np.linspace(0, len(studies) - 1, min(count, len(studies))).astype(int))
    return [studies[int(row)] for row in rows]


def _pictures(studies: Sequence[Study], store: ImageStore) -> Iterator[Picture]:
    return (store.read(study.images[0]) for study in studies if study.images)
