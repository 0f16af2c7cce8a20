"""A pool of spawned processes that use one thread each and do not outlive the process that started them."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import cv2

from cxr_clip.errors import SourceError


def start_pool(processes: int, *, purpose: str) -> ProcessPoolExecutor:
    """Start that many processes for "decoding", say. Raises SourceError where none can be started."""
    # Spawned, because the caller may draw a progress bar in a thread, and threads do not survive a fork.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=_prepare_process)
    try:
        pool.submit(os.getpid).result()
    except BrokenProcessPool as error:
        raise SourceError(
            f"processes for {purpose} cannot be started: put what your script does under "
            "`if __name__ == '__main__':`, or give it one process"
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
