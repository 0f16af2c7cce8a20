"""A training that is asked to end does so after its step, with a checkpoint: batch systems send SIGTERM, then SIGKILL.

Each worker may hear of it in another step; they agree in every step, so that all end after the same one.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from cxr_clip.distributed import Workers, summed


@contextmanager
def asked_to_end(workers: Workers) -> Iterator[Callable[[], bool]]:
    """Within it SIGTERM ends nothing; what it gives says whether a worker has had one, and all workers call it alike.

    Only a main thread hears signals: in another one they do what they did before.
    """
    heard = threading.Event()
    listens = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, lambda *_: heard.set()) if listens else None
    try:
        yield lambda: bool(summed(torch.tensor([float(heard.is_set())]), workers) > 0)
    finally:
        if listens:
            signal.signal(signal.SIGTERM, before)
