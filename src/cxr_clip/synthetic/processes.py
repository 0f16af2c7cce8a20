"""Work done in order, by this process or by several."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from cxr_clip.errors import SourceError

Job = TypeVar("Job")
Result = TypeVar("Result")

_WAITING_PER_PROCESS = 8


def in_order(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    processes: int,
    progress: Callable[[int], None] | None,
) -> Iterator[Result]:
    """Results in the order of the jobs, from this process or from several; `progress` hears how many are done.

    A bounded number of jobs is under way, so that memory stays flat. Raises SourceError where processes cannot be
    started and where one of them dies.
    """
    results = map(work, jobs) if processes <= 1 else _by_several(work, jobs, processes)
    for done, result in enumerate(results, 1):
        if progress is not None:
            progress(done)
        yield result


def _by_several(work: Callable[[Job], Result], jobs: Iterable[Job], processes: int) -> Iterator[Result]:
    pool = _start(processes)
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            if len(waiting) >= processes * _WAITING_PER_PROCESS:
                yield waiting.popleft().result()
            waiting.append(pool.submit(work, job))
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise SourceError(
            "a process that draws studies was killed, most often because memory ran out: "
            "start the same command again with fewer processes"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(processes: int) -> ProcessPoolExecutor:
    # Spawned, because the caller may draw a progress bar in a thread, and threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=_prepare_process)
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool as error:
        raise SourceError(
            "processes for drawing cannot be started: put what your script does under "
            "`if __name__ == '__main__':`, or draw with one process"
        ) from error
    return pool


def _prepare_process() -> None:
    """One thread each; an interrupt is the parent's business; the death of the parent ends the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:  # pragma: no cover - runs when the parent was killed
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
