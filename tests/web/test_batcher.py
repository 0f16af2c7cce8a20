"""Items of many callers in one call of a function: together, in order, and no caller for another's fault."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import torch

from cxr_clip.web.batcher import Batcher
from cxr_clip.web.service import Served
from web.conftest import Client
from web.test_answers import png

Start = Callable[..., Client]


def ask(
    work: Callable[[Sequence[int]], Sequence[int]],
    asking: Callable[[Batcher[int, int]], Awaitable[list[object]]],
    *,
    most: int = 8,
) -> tuple[list[object], list[int]]:
    """What is answered, and the sizes of batches."""
    sizes: list[int] = []

    async def session(executor: ThreadPoolExecutor) -> list[object]:
        return await asking(Batcher(work, executor, most=most, wait=0.05, told=sizes.append))

    with ThreadPoolExecutor(1) as executor:
        return asyncio.run(session(executor)), sizes


async def all_of(batcher: Batcher[int, int], items: Sequence[int]) -> list[object]:
    return list(await asyncio.gather(*map(batcher, items), return_exceptions=True))


def squares(items: Sequence[int]) -> list[int]:
    return [item * item for item in items]


def test_items_go_together_and_results_come_in_order() -> None:
    answers, sizes = ask(squares, lambda batcher: all_of(batcher, range(20)))
    assert answers == squares(range(20))
    assert sizes == [8, 8, 4]


def test_the_fault_of_one_is_told_to_that_one_alone() -> None:
    def picky(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise ValueError("three")
        return squares(items)

    answers, _ = ask(picky, lambda batcher: all_of(batcher, range(6)))
    assert [str(one) for one in answers] == ["0", "1", "4", "three", "16", "25"]


def test_who_went_away_is_not_worked_for() -> None:
    worked: list[int] = []

    def noting(items: Sequence[int]) -> list[int]:
        worked.extend(items)
        return squares(items)

    async def asking(batcher: Batcher[int, int]) -> list[object]:
        gone = asyncio.create_task(batcher(1))
        staying = asyncio.create_task(batcher(2))
        await asyncio.sleep(0)
        gone.cancel()
        return [await staying]

    assert ask(noting, asking)[0] == [4]
    assert worked == [2]


def test_a_batcher_works_in_one_event_loop_after_another() -> None:
    with ThreadPoolExecutor(1) as executor:
        batcher = Batcher(squares, executor, most=4, wait=0.001)
        assert [asyncio.run(all_of(batcher, [number, 5])) for number in range(3)] == [[0, 25], [1, 25], [4, 25]]


def test_images_of_concurrent_requests_go_through_the_encoder_together_with_the_same_results(
    start: Start, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(batch=16, wait=2.0)
    form = {"findings": '["Edema", "The heart is large."]'}

    def scores(answer: httpx.Response) -> list[float]:
        return [said["score"] for said in answer.json()["images"][0]["findings"]]

    async def together(asking: httpx.AsyncClient) -> list[httpx.Response]:
        posts = (asking.post("/api/classify", files={"images": ("a", png(n))}, data=form) for n in range(16))
        return list(await asyncio.gather(*posts))

    batched = [scores(one) for one in client.together(together)]
    figures = client.get("/metrics").text
    assert "cxr_clip_batch_size_sum 16.0" in figures
    assert "cxr_clip_batch_size_count 1.0" in figures
    alone = [
        [said.score for said in served.model.classify([png(n)], ["Edema", "The heart is large."])[0].findings]
        for n in range(16)
    ]
    torch.testing.assert_close(torch.tensor(batched), torch.tensor(alone), atol=1e-5, rtol=1e-4)
    assert len({round(one[0], 4) for one in alone}) > 8
