"""Work in threads, waited for in an event loop."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from typing import TypeVar

Value = TypeVar("Value")


async def in_thread(executor: Executor, work: Callable[[], Value]) -> Value:
    """What `work` returns or raises, done in a thread of `executor`."""
    return await asyncio.get_running_loop().run_in_executor(executor, work)


async def all_of(awaitables: Iterable[Awaitable[Value]]) -> list[Value]:
    """All results in their order; where one fails, nobody waits for the others."""
    tasks = [asyncio.ensure_future(one) for one in awaitables]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
