"""A made-up world of patients with one image each: what its layouts have in common when they are written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.processes import in_order
from cxr_clip.synthetic.single_images import ImageTruth
from cxr_clip.synthetic.world import World, begin, finish


class ToldImage(Protocol):
    """An image as the tables of its layout tell it."""

    @property
    def truth(self) -> ImageTruth:
        """What was drawn."""


@dataclass(frozen=True)
class ImageJob:
    """One image to write: number `index` of the world with that seed, of that patient or of its own."""

    out: Path
    seed: int
    index: int
    image_size: int
    patient: str | None = None


T = TypeVar("T", bound=ToldImage)


@dataclass(frozen=True)
class Layout(Generic[T]):
    """How a data set is distributed: one image written, further images with faults, and the tables of all."""

    name: str
    write: Callable[[ImageJob], T]
    plant: Callable[[ImageJob], list[T]]
    tables: Callable[[Path, list[T]], None]


def write_world(
    first: ImageJob,
    layout: Layout[T],
    *,
    studies: int,
    processes: int,
    faults: bool,
    progress: Callable[[int], None] | None,
) -> None:
    """Write images from `first` on, truth.jsonl, the planted faults if asked for, and the tables.

    Raises SourceError where the folder holds anything else, or processes for drawing fail.
    """
    out = first.out
    world = World(f"{layout.name}{' with faults' if faults else ''}", studies, first.seed, first.image_size)
    if not begin(out, world, progress):
        return
    jobs = (ImageJob(out, first.seed, index, first.image_size) for index in range(studies))
    images = list(in_order(layout.write, jobs, processes=processes, progress=progress))
    write_whole(out / "truth.jsonl", "".join(image.truth.line() for image in images).encode())
    if faults:
        images += layout.plant(ImageJob(out, first.seed, studies, first.image_size))
    layout.tables(out, images)
    finish(out, world)
