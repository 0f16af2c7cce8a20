"""Spoiled files and spoiled forms are answered or refused by a sentence: never a failure, never a crash."""

import random
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from cxr_clip.web.reading import read_for_display, read_upload
from cxr_clip.web.refusals import NO_PICTURE, TOO_LARGE, RefusalError
from cxr_clip.web.service import Served
from fuzz.mutations import mutated
from fuzz.targets import dicom_seeds, image_seeds
from web.conftest import Client
from web.test_answers import png

PIXELS = 100_000


def status_of(read: Callable[[bytes], object], data: bytes) -> int:
    """How a request with the file would be answered."""
    try:
        read(data)
    except RefusalError as error:
        return error.status if str(error).startswith("picture 0") else 500
    return 200


@pytest.mark.parametrize("seeds", [dicom_seeds, image_seeds], ids=["dicom", "images"])
def test_spoiled_files_are_read_or_refused(served: Served, seeds: Callable[[], list[bytes]]) -> None:
    whole, statuses = seeds(), Counter[int]()
    for number in range(200):
        data = mutated(whole, random.Random(number))
        statuses[status_of(lambda data: read_upload(data, 0, served.model.see, pixels=PIXELS), data)] += 1
        statuses[status_of(lambda data: read_for_display(data, pixels=PIXELS), data)] += 1
    assert statuses.keys() <= {200, TOO_LARGE, NO_PICTURE}
    assert min(statuses[200], statuses[NO_PICTURE]) > 20


def test_spoiled_forms_are_answered_or_refused(client: Client) -> None:
    request = httpx.Request(
        "POST",
        "http://localhost/",
        headers={"content-type": "multipart/form-data; boundary=b"},
        files=[("images", ("a", png(0, height=20, width=20))), ("findings", (None, '["Edema"]'))],
    )
    whole = request.read()

    async def ask(asking: httpx.AsyncClient) -> list[httpx.Response]:
        sent = [mutated([whole], random.Random(number)) for number in range(120)]
        return [await asking.post("/api/classify", content=one, headers=request.headers) for one in sent]

    answers = client.together(ask)
    statuses = {one.status_code for one in answers}
    assert statuses <= {200, 413, 415, 422}
    assert {415, 422} <= statuses
    assert all(list(one.json()) == ["error"] for one in answers if one.status_code != 200)
