"""Work done in order, by this process or by several."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from cxr_clip.errors import SourceError
from cxr_clip.spawned import start_pool

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
    pool = start_pool(processes, purpose="drawing")
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
