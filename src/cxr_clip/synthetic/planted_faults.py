"""Faults that miniatures are planted with, and what must become of each: one line of faults.jsonl."""

import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from cxr_clip.synthetic.files import png, write_whole
from cxr_clip.synthetic.single_images import ImageTruth

_ABSURD = 60000


@dataclass(frozen=True)
class PlantedFault:
    """What must be left out, in the words of rejected.jsonl (kind, path, study), and a part of the reason.

    The path may lack the folders that the data set puts before it. With neither path nor study it is told of one or
    more of several images. The kind "absent" is an image that absent.txt must name.
    """

    kind: str
    path: str | None
    study: str | None
    reason: str


def with_sides(data: bytes, side: int) -> bytes:
    """The same file with another number of rows and columns in its header (both of type US, explicit)."""
    for tag in (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x11\x00US\x02\x00"):
        place = data.index(tag) + len(tag)
        data = data[:place] + side.to_bytes(2, "little") + data[place + 2 :]
    return data


def with_absurd_size(data: bytes) -> bytes:
    """The same PNG or JPEG with a header that promises 60,000 x 60,000 pixels."""
    if data.startswith(b"\x89PNG"):
        header = b"IHDR" + 2 * _ABSURD.to_bytes(4, "big") + data[24:29]
        return data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + 2 * _ABSURD.to_bytes(2, "big") + data[place + 4 :]


def another_png(data: bytes, number: int) -> bytes:
    """The same picture with a grey bar at its left, so that no two files are equal."""
    picture = np.array(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    picture[:, :4] = number % 256
    return png(picture)


# What becomes of files on their way, by a part of the reason that decoding gives: each makes the bytes of a broken file
# from those of a sound DICOM file in explicit little endian.
BREAKS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("pixels", lambda data: data[: len(data) * 2 // 3]),
    ("empty", lambda _: b""),
    ("web page", lambda _: b"<!DOCTYPE html><html><body>Not found</body></html>"),
    ("promises more than", lambda data: with_sides(data, _ABSURD)),
)

# The same for PNG files.
PNG_BREAKS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("truncated", lambda data: data[: len(data) // 2]),
    BREAKS[1],
    BREAKS[2],
    ("pixels", with_absurd_size),
)


def break_file(path: Path, broken: Callable[[bytes], bytes]) -> None:
    """Replace a file by a broken one."""
    write_whole(path, broken(path.read_bytes()))


def plant_in_files(out: Path, images: Sequence[ImageTruth]) -> list[PlantedFault]:
    """Break the files of the first four images and delete that of the fifth; no table is to list the sixth."""
    faults: list[PlantedFault] = []
    for image, (reason, broken) in zip(images, BREAKS, strict=False):
        break_file(out / image.path, broken)
        faults.append(PlantedFault("image", image.path, image.study, reason))
        faults.append(PlantedFault("study", None, image.study, "none of its images"))
    (out / images[4].path).unlink()
    faults.append(PlantedFault("image", "absent.txt", None, "1 of"))
    faults.append(PlantedFault("image", images[5].path, None, "does not list"))
    return faults


def write_faults(out: Path, faults: Iterable[PlantedFault]) -> None:
    """Write faults.jsonl beside truth.jsonl."""
    write_whole(out / "faults.jsonl", "".join(json.dumps(asdict(fault)) + "\n" for fault in faults).encode())
