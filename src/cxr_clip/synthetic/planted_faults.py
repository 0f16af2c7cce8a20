"""Faults that miniatures are planted with, and what must become of each: one line of faults.jsonl."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.single_images import ImageTruth


@dataclass(frozen=True)
class PlantedFault:
    """What must be left out, in the words of rejected.jsonl (kind, path, study), and a part of the reason.

    With neither path nor study it is told of one or more of several images.
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


# What becomes of files on their way, by a part of the reason that decoding gives: each makes the bytes of a broken file
# from those of a sound DICOM file in explicit little endian.
BREAKS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("pixels", lambda data: data[: len(data) * 2 // 3]),
    ("empty", lambda _: b""),
    ("web page", lambda _: b"<!DOCTYPE html><html><body>Not found</body></html>"),
    ("promises more than", lambda data: with_sides(data, 60000)),
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
