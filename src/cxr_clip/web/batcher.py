"""Single items of many callers go through one function together."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Waiting = tuple[Item, asyncio.Future[Result]]


class Batcher(Generic[Item, Result]):
    """Gathers items for a moment, has `work` done on all of them in `executor`, and gives each caller its result.

    Items that come while `work` is busy make up the next batch. A caller who is gone by then costs nothing. Where
    `work` fails on several items it is tried on each alone, so that no caller sees the error of another.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        executor: Executor,
        *,
        most: int,
        wait: float,
        told: Callable[[int], None] = lambda _: None,
    ) -> None:
        """`most` items make a batch, the first of which waits `wait` seconds at most; `told` hears of its size."""
        self._work, self._executor = work, executor
        self._most, self._wait, self._told = most, wait, told
        self._queue: asyncio.Queue[Waiting[Item, Result]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """The result of one item. Raises what `work` raised on it."""
        if self._task is None or self._task.done():
            # Nothing waits now, and the event loop may be another than before.
            self._queue = asyncio.Queue()
            self._task = asyncio.create_task(self._serve(), name="cxr-clip batches")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((item, future))
        return await future

    async def _serve(self) -> None:
        """Batch after batch, until nothing waits."""
        while not self._queue.empty():
            batch = [one for one in await self._gathered() if not one[1].done()]
            if batch:
                self._told(len(batch))
                await self._answer(batch)

    async def _gathered(self) -> list[Waiting[Item, Result]]:
        batch = [self._queue.get_nowait()]
        until = asyncio.get_running_loop().time() + self._wait
        while len(batch) < self._most:
            if not self._queue.empty():
                batch.append(self._queue.get_nowait())
                continue
            try:
                async with asyncio.timeout_at(until):
                    batch.append(await self._queue.get())
            except TimeoutError:
                break
        return batch

    async def _answer(self, batch: Sequence[Waiting[Item, Result]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._executor, self._work, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001  # it is the caller's, who is told
            if len(batch) > 1:
                for one in batch:
                    await self._answer([one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
