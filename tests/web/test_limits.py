"""What is too large, too many, too slow or malformed is refused in one sentence, and nobody else notices."""

import asyncio
import io
import json
import math
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from cxr_clip.web.service import Service
from support_dicom import dataset_of, dicom, written
from web.conftest import Client
from web.test_answers import png

Start = Callable[..., Client]


def refused(answer: httpx.Response, status: int, words: str) -> None:
    """One sentence in JSON, and nothing else."""
    assert (answer.status_code, list(answer.json())) == (status, ["error"]), answer.text
    assert words in answer.json()["error"]
    assert answer.headers["content-type"] == "application/json"


def test_a_file_has_a_limit_that_is_checked_while_it_comes(start: Start) -> None:
    client = start(file_bytes=5000, seconds=30)
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        while sent < 1_000_000:
            sent += 1000
            yield bytes(1000)

    headers = {"content-type": "multipart/form-data; boundary=b"}

    async def ask(asking: httpx.AsyncClient) -> httpx.Response:
        return await asking.post("/api/classify", content=body(), headers=headers)

    answer = client.together(ask)
    refused(answer, 413, "picture 0 has more than 5,000 bytes")
    refused(client.post("/api/classify", (png(0), bytes(5001))), 413, "picture 1 has more than 5,000 bytes")


@pytest.mark.parametrize("around", [b"", b"--b--\r\n"])
def test_a_body_has_a_limit_whatever_it_is_full_of(start: Start, around: bytes) -> None:
    client = start(file_bytes=1000, files=1, texts=1, text_characters=10)
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield around
        while sent < 3_000_000:
            sent += 50_000
            yield b"\r\n" * 25_000

    headers = {"content-type": "multipart/form-data; boundary=b"}

    async def ask(asking: httpx.AsyncClient) -> httpx.Response:
        return await asking.post("/api/picture", content=body(), headers=headers)

    refused(client.together(ask), 413, "the form has more than 1,049,700 bytes")


def test_the_number_of_files_has_a_limit(start: Start) -> None:
    client = start(files=2)
    assert client.post("/api/classify", (png(0), png(1)), data={"findings": '["Edema"]'}).status_code == 200
    refused(client.post("/api/classify", (png(0),) * 3), 413, "more than 2 images")


def deflated(pixels: np.ndarray) -> bytes:
    return written(dataset_of(pixels), "1.2.840.10008.1.2.1.99")


def bomb_of_png(side: int) -> bytes:
    """A PNG whose header promises more than there is."""
    whole = bytearray(png(0))
    whole[16:24] = side.to_bytes(4, "big") * 2
    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4, "big")
    return bytes(whole)


@pytest.mark.parametrize(
    "data",
    [
        bomb_of_png(60_000),
        bomb_of_png(2_000_000_000),
        png(0, height=60, width=60),
        dicom(np.zeros((60, 60), np.uint16)),
        dicom(Rows=60_000, Columns=60_000),
        deflated(np.zeros((60, 60), np.uint16)),
    ],
)
@pytest.mark.parametrize("path", ["/api/classify", "/api/picture"])
def test_pixels_have_a_limit_that_the_header_is_held_to(start: Start, path: str, data: bytes) -> None:
    refused(start(pixels=3599).post(path, (data,)), 413, "picture 0: the header promises more than 3,599 pixels")


def test_a_deflated_file_is_not_inflated_without_end(start: Start) -> None:
    data = deflated(np.zeros((9000, 9000), np.uint16))
    assert len(data) < 1_000_000
    refused(start(pixels=3000).post("/api/classify", (data,)), 415, "larger than any picture")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "picture 0 has no bytes"),
        (b"GIF89a" + bytes(200), "picture 0 is no PNG, JPEG or DICOM file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no PNG, JPEG or DICOM file"),
        (png(0)[:40], "picture 0"),
        (png(0)[:200], "the PNG data are truncated or damaged"),
        (b"\xff\xd8\xff" + bytes(99), "the JPEG header is damaged"),
        (dicom()[:400], "picture 0"),
        (bytes(128) + b"DICM" + bytes(500), "picture 0"),
        (png(0, height=8, width=1000), "picture 0 is 1000 x 8 pixels"),
    ],
)
def test_what_is_no_picture_is_refused(client: Client, data: bytes, words: str) -> None:
    refused(client.post("/api/classify", (data,)), 415, words)


def test_a_bad_picture_does_not_spoil_those_of_others(client: Client) -> None:
    form = {"findings": '["Edema"]'}

    async def ask(asking: httpx.AsyncClient) -> list[httpx.Response]:
        sent = [png(number) if number % 3 else b"\x89PNG\r\n\x1a\nno" for number in range(12)]
        return await asyncio.gather(
            *(asking.post("/api/classify", files={"images": ("a", one)}, data=form) for one in sent)
        )

    answers = client.together(ask)
    assert [one.status_code for one in answers] == [200 if number % 3 else 415 for number in range(12)]
    alone = client.post("/api/classify", (png(5),), data=form).json()["images"][0]["findings"][0]["score"]
    assert answers[5].json()["images"][0]["findings"][0]["score"] == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize(
    ("path", "fields", "status", "words"),
    [
        ("classify", {"findings": json.dumps(["A sentence."] * 5)}, 413, "there are 5 texts: send 4 at most"),
        ("classify", {"findings": json.dumps(["x" * 50 + "."])}, 413, "a text has 51 characters: send 50 at most"),
        ("classify", {"findings": "Edema"}, 422, "findings is no JSON"),
        ("classify", {"findings": "[" * 1400}, 422, "findings is no JSON"),
        ("classify", {"findings": "[]"}, 422, "no list with something in it"),
        ("classify", {"findings": "[3]"}, 422, "a finding is neither"),
        ("classify", {"findings": '["Edema", "Edema"]'}, 422, "'Edema' is asked twice"),
        ("classify", {"findings": '["Oedemma"]'}, 422, "There is no finding called 'Oedemma'"),
        ("classify", {"findings": '[{"finding": "a", "positive": [], "negative": []}]'}, 422, "no positive prompt"),
        ("classify", {"findings": '["\\ud800."]'}, 422, "half of a character"),
        ("classify", {"findings": ['["Edema"]', '["Mass"]']}, 422, "findings is given 2 times"),
        ("classify", {"finding": "Edema"}, 422, "there is no field 'finding': the fields are images, findings"),
        ("classify", {"findings": "[" + " " * 3000 + '"Edema"]'}, 413, "the text fields have more than"),
        ("explain", {}, 422, "the field texts is missing"),
        ("explain", {"texts": '[{"a": 1}]'}, 422, "texts is no list of sentences"),
        ("explain", {"texts": '["  "]'}, 422, "a text is empty"),
        ("picture", {"texts": "[]"}, 422, "there is no field 'texts'"),
        ("search", {"top": "0"}, 422, "send a whole number from 1 to 100"),
        ("search", {"top": "²"}, 422, "send a whole number from 1 to 100"),
        ("search", {"split": "tset"}, 422, "there is no split 'tset'"),
        ("search", {"source": "mimic"}, 422, "there is no source 'mimic': use one of made-up"),
        ("search", {"view": ["pa"] * 33}, 422, "view has 33 values: send 32 at most"),
        ("search", {"kind": "picture"}, 422, "there is no kind 'picture': use one of findings, image, impression"),
        ("search", {"finding": "nothing"}, 422, "There is no finding called 'nothing'"),
        ("search", {"text": "Mass."}, 422, "a search needs one of text, images and study"),
    ],
)
def test_bad_values_are_told_with_what_is_allowed(
    start: Start, path: str, fields: dict[str, Any], status: int, words: str
) -> None:
    client = start(texts=4, text_characters=50)
    refused(client.post(f"/api/{path}", (png(0),), data=fields), status, words)


def test_what_needs_a_picture_says_so(client: Client) -> None:
    for path in ("classify", "explain", "picture"):
        refused(client.post(f"/api/{path}"), 422, "there is no picture")
    refused(client.post("/api/picture", (png(0), png(1))), 422, "there are 2 pictures: send one")
    refused(client.post("/api/search"), 422, "a search needs one of")
    refused(client.post("/api/search", data={"study": "nobody"}), 404, "no image of this study")


PART = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 422, "cut short"),
        (b"no form", 422, "malformed"),
        (PART + b"abc", 422, "cut short"),
        (PART + b"abc\r\n--b", 422, "cut short"),
        (PART[:-2] + b"broken header\r\n\r\nabc\r\n--b--\r\n", 422, "malformed"),
        (b"--b\r\n" + b"X: y\r\n" * 500 + b"\r\nabc\r\n--b--\r\n", 422, "malformed"),
        (b"--b\r\nX: " + b"y" * 100_000 + b"\r\n\r\nabc\r\n--b--\r\n", 422, "malformed"),
        (b"--b\r\n\r\nabc\r\n--b--\r\n", 422, "there is no field ''"),
        (b'--b\r\nContent-Disposition: form-data; name="findings"\r\n\r\n\xff\r\n--b--\r\n', 422, "is not UTF-8"),
        (b'--b\r\nContent-Disposition: form-data; name="findings"\r\n\r\n1\r\n' * 300 + b"--b--\r\n", 413, "256 text"),
    ],
)
def test_a_malformed_form_is_refused(client: Client, content: bytes, status: int, words: str) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = client.together(lambda asking: asking.post("/api/classify", content=content, headers=headers))
    refused(answer, status, words)


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/mixed; boundary=b", "multipart/form-data; boundary="]
)
def test_what_is_no_form_is_refused(client: Client, kind: str) -> None:
    answer = client.together(lambda asking: asking.post("/api/picture", content=b"{}", headers={"content-type": kind}))
    refused(answer, 415, "send multipart/form-data")


def test_a_queue_that_is_full_turns_away_and_says_when_to_come_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = start(requests=2)

    async def ask(asking: httpx.AsyncClient) -> tuple[list[httpx.Response], httpx.Response]:
        inside, go = asyncio.Event(), asyncio.Event()
        picture, count = Service.picture, 0

        async def slow(self: Service, image: bytes) -> tuple[bytes, dict[str, str]]:
            nonlocal count
            count += 1
            if count == 2:
                inside.set()
            await go.wait()
            return await picture(self, image)

        monkeypatch.setattr(Service, "picture", slow)
        waiting = [asyncio.create_task(asking.post("/api/picture", files={"images": ("a", png(0))})) for _ in range(2)]
        await inside.wait()
        assert "cxr_clip_queue_length 2.0" in (await asking.get("/metrics")).text
        third = await asking.post("/api/picture", files={"images": ("a", png(0))})
        assert (await asking.get("/health")).status_code == 200
        go.set()
        return list(await asyncio.gather(*waiting)), third

    answered, third = client.together(ask)
    refused(third, 429, "try again in a moment")
    assert third.headers["retry-after"] == "1"
    assert [one.status_code for one in answered] == [200, 200]
    assert client.post("/api/picture", (png(0),)).status_code == 200


def test_uploads_of_all_requests_together_have_a_limit(start: Start) -> None:
    client = start(held_bytes=3000)
    refused(client.post("/api/picture", (bytes(4000),)), 429, "holds as many uploads as it may")
    assert client.post("/api/picture", (png(0, height=20, width=20),)).status_code == 200


def test_what_takes_too_long_ends(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: Service, image: bytes) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Service, "picture", never)
    client = start(seconds=0.05, requests=1)
    for _ in range(2):  # the place in the queue is free again
        refused(client.post("/api/picture", (png(0),)), 504, "took more than 0.05 seconds")


def test_who_goes_away_while_sending_is_no_failure(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/picture",
        "raw_path": b"/api/picture",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b")],
    }
    messages = [{"type": "http.request", "body": b"--b\r\n", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        """Nobody is there to hear it."""

    with caplog.at_level("INFO", "cxr_clip.web"):
        asyncio.run(client.app(scope, receive, send))
    (line,) = [json.loads(record.message) for record in caplog.records if record.name == "cxr_clip.web"]
    assert (line["path"], line["status"], line["bytes_in"]) == ("/api/picture", 499, 5)


def test_a_server_that_fails_says_nothing_of_the_request(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: Service, image: bytes) -> None:
        raise ZeroDivisionError("secret words")

    monkeypatch.setattr(Service, "picture", broken)
    with caplog.at_level("INFO", "cxr_clip.web"):
        refused(start().post("/api/picture", (png(0),)), 500, "its log says where")
    assert "ZeroDivisionError" in caplog.text
    assert "test_limits.py:" in caplog.text
    assert "secret" not in caplog.text


def test_without_an_index_nothing_is_searched(served: Any, start: Start) -> None:
    from dataclasses import replace

    from cxr_clip.web.app import build_app
    from cxr_clip.web.guard import allowed_hosts
    from cxr_clip.web.limits import Limits

    client = Client(build_app(replace(served, index=None, pictures=None), Limits(), allowed_hosts("localhost")))
    assert client.get("/api/model").json()["index"] is None
    refused(client.post("/api/search", data={"text": "A mass."}), 404, "start it with --index")
    assert client.get("/api/indexed/test-0%2Fimage%2F0").status_code == 404


@pytest.mark.parametrize("name", ["seconds", "wait"])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_limit_is_a_number(name: str, value: float) -> None:
    from cxr_clip.errors import ServeError
    from cxr_clip.web.limits import Limits

    with pytest.raises(ServeError, match=f"the limit {name} is {value}: give a number above 0"):
        Limits(**{name: value})


def test_pictures_of_more_kinds_are_read(client: Client) -> None:
    stream = io.BytesIO()
    Image.open(io.BytesIO(png(0))).convert("RGB").save(stream, "JPEG")
    for data in (png(0), stream.getvalue(), dicom(), deflated(np.arange(4096, dtype=np.uint16).reshape(64, 64))):
        assert client.post("/api/classify", (data,), data={"findings": '["Edema"]'}).status_code == 200
