"""Reading one batch ahead: threads read the next things while those before them are in use."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    read: Callable[[Item], Result], items: Sequence[Item], *, batch: int, threads: int | None = None
) -> Iterator[list[Result]]:
    """`read` of all items in lists of `batch`, in their order; at most two lists are held at once.

    `threads`: absent, one for each core. The first error of `read` is raised, and nothing more is begun.
    """
    starts = range(0, len(items), batch)
    pool = ThreadPoolExecutor(threads or os.cpu_count() or 1)
    try:
        due: list[Future[Result]] = []
        for start in starts:
            following = [pool.submit(read, item) for item in items[start : start + batch]]
            if due:
                yield [one.result() for one in due]
            due = following
        if due:
            yield [one.result() for one in due]
    finally:
        pool.shutdown(cancel_futures=True)
