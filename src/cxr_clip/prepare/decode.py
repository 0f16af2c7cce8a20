"""Decode the images of many studies at once, in order, whatever single files do to the decoder."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.data.images import StoredPicture, for_store
from cxr_clip.errors import CxrClipError, ImageError
from cxr_clip.prepare.records import Rejection
from cxr_clip.spawned import start_pool
from cxr_clip.study import Study

MAX_BYTES = 500_000_000
_WAITING_PER_PROCESS = 8


@dataclass(frozen=True)
class Decoded:
    """A study with the images that could be decoded, their bytes in the same order, and what was left out."""

    study: Study
    pictures: tuple[StoredPicture, ...]
    rejections: tuple[Rejection, ...] = ()


def decode_study(raw: Path, study: Study, short_side: int, windowing: Windowing = Windowing.FILE) -> Decoded:
    """Read and decode the images of one study; each that cannot be decoded is left out and recorded.

    Raises MissingPackageError where a package for the format is not installed.
    """
    kept: list[int] = []
    pictures: list[StoredPicture] = []
    rejections: list[Rejection] = []
    for number, image in enumerate(study.images):
        try:
            pictures.append(for_store(_read(raw / image.path), short_side=short_side, windowing=windowing))
            kept.append(number)
        except ImageError as error:
            rejections.append(Rejection("image", image.path, study.id, str(error)))
        except CxrClipError:
            raise
        except Exception as error:  # noqa: BLE001 - one file must not stop a run of 300,000; the reason is recorded
            rejections.append(Rejection("image", image.path, study.id, f"the decoder failed: {type(error).__name__}"))
    if not kept:
        rejections.append(Rejection("study", None, study.id, "none of its images can be decoded"))
    return Decoded(_with_images(study, kept, pictures), tuple(pictures), tuple(rejections))


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ImageError(f"the file is larger than {MAX_BYTES // 1_000_000} MB")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"the file cannot be read ({error.strerror})") from error


def _with_images(study: Study, kept: list[int], pictures: list[StoredPicture]) -> Study:
    """The study with the kept images alone; boxes and masks follow their image."""
    images = tuple(
        replace(study.images[number], height=picture.height, width=picture.width)
        for number, picture in zip(kept, pictures, strict=True)
    )
    boxes = tuple(replace(box, image=kept.index(box.image)) for box in study.boxes if box.image in kept)
    masks = tuple(replace(mask, image=kept.index(mask.image)) for mask in study.masks if mask.image in kept)
    return replace(study, images=images, boxes=boxes, masks=masks)


def _adapt_and_decode(
    raw: Path, study: Study, *, short_side: int, windowing: Windowing, adapt: Callable[[Study], Study] | None
) -> Decoded:
    return decode_study(raw, study if adapt is None else adapt(study), short_side, windowing)


class Decoder:
    """Decodes studies in a pool of processes; a bounded number is under way, so that memory stays flat."""

    def __init__(
        self,
        raw: Path,
        *,
        short_side: int,
        processes: int,
        windowing: Windowing = Windowing.FILE,
        adapt: Callable[[Study], Study] | None = None,
    ) -> None:
        """`adapt` is what else is to be done to each study, in the same process; it must be importable by name."""
        self._work = partial(_adapt_and_decode, raw, short_side=short_side, windowing=windowing, adapt=adapt)
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop()

    def decode(self, studies: Iterable[Study]) -> Iterator[Decoded]:
        """Yield each study decoded, in the order given. Raises SourceError if no process can be started."""
        if self._processes == 1:
            yield from map(self._work, studies)
            return
        waiting: deque[tuple[Study, Future[Decoded]]] = deque()
        for study in studies:
            if len(waiting) >= self._processes * _WAITING_PER_PROCESS:
                yield from self._next(waiting)
            waiting.append((study, self._submit(study)))
        while waiting:
            yield from self._next(waiting)

    def _next(self, waiting: deque[tuple[Study, Future[Decoded]]]) -> Iterator[Decoded]:
        """The result of the study that waits longest; of all that wait if a process died."""
        study, future = waiting.popleft()
        try:
            yield future.result()
        except BrokenProcessPool:
            self._stop()
            yield self._alone(study)
            while waiting:
                yield self._alone(waiting.popleft()[0])

    def _submit(self, study: Study) -> "Future[Decoded]":
        """Hand a study to the pool, to a new one if a process of the present one died."""
        pool = self._pool or self._start()
        try:
            return pool.submit(self._work, study)
        except BrokenProcessPool:
            broken: Future[Decoded] = Future()
            broken.set_exception(BrokenProcessPool())
            return broken

    def _alone(self, study: Study) -> Decoded:
        """Decode one study with nothing else in the pool, so that a process that dies tells which study it was."""
        try:
            return self._submit(study).result()
        except BrokenProcessPool:
            self._stop()
            reason = "the decoder process died on one of its images"
            paths = ", ".join(image.path for image in study.images)
            return Decoded(
                replace(study, images=(), boxes=(), masks=()), (), (Rejection("study", paths, study.id, reason),)
            )

    def _start(self) -> ProcessPoolExecutor:
        self._pool = start_pool(self._processes, purpose="decoding")
        return self._pool

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
