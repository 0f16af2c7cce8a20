"""Work that others need not wait for: one thread that does what it is given in order and tells of what went wrong.

The thread lives only while there is something to do, so that a process that forks between two pieces of work (loader
processes do) forks without it.
"""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

Work = Callable[[], None]
THREAD = "cxr-clip background"


class Background:
    """Does pieces of work one after the other; what was given behind one that failed is dropped.

    What a piece of work raised is raised again, once, by the next call of `submit`, `check` or `wait`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: deque[Work] = deque()
        self._busy = False
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Wait; where the block itself failed, its own error goes on and not that of the work."""
        self._join()
        if error is None:
            self.check()

    def submit(self, work: Work) -> None:
        """Have `work` done after all that was given before, and return at once."""
        self.check()
        with self._lock:
            self._due.append(work)
            if not self._busy:
                self._busy = True
                self._thread = threading.Thread(target=self._run, name=THREAD)
                self._thread.start()

    def wait(self) -> None:
        """Return when everything that was given is done."""
        self._join()
        self.check()

    def check(self) -> None:
        """Raise what a piece of work raised, if one did."""
        with self._lock:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # raised again in the thread that gives the work
                with self._lock:
                    self._error = error
                    self._due.clear()

    def _next(self) -> Work | None:
        """Take the next piece of work; where there is none the thread ends, decided under the lock."""
        with self._lock:
            if self._due:
                return self._due.popleft()
            self._busy = False
            return None

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
