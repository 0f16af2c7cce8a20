"""Whole files or none, written in order by one process or several."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_clip.study import Box
from cxr_clip.synthetic.pathology import FindingInstance

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Truth:
    """What was drawn: one line of truth.jsonl. Boxes refer to `images` by number, sides are fractions of the image."""

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


def in_order(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    processes: int,
    progress: Callable[[int], None] | None,
) -> Iterator[Result]:
    """Results in the order of the jobs, from this process or from several; `progress` hears how many are done."""
    if processes <= 1:
        yield from _counted(map(work, jobs), progress)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from _counted(pool.imap(work, jobs, chunksize=8), progress)


def _counted(results: Iterable[Result], progress: Callable[[int], None] | None) -> Iterator[Result]:
    for done, result in enumerate(results, 1):
        if progress is not None:
            progress(done)
        yield result
