"""Whole files or none: what was drawn as a line of text, pictures, and writing without halves."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_clip.study import Box
from cxr_clip.synthetic.pathology import FindingInstance


@dataclass(frozen=True)
class Truth:
    """What was drawn: one line of truth.jsonl, by the ids that a manifest has.

    Boxes refer to `images` by number, sides are fractions of the image.
    """

    study: str
    patient: str
    images: tuple[str, ...]
    views: tuple[str, ...]
    findings: tuple[FindingInstance, ...]
    boxes: tuple[Box, ...]

    def line(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under a temporary name, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data)
    partial.replace(path)


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture (h w, h w 3 or h w 4) as the bytes of a PNG."""
    done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert done, "a picture of 8 bits always encodes"
    return data.tobytes()
