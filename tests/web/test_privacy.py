"""Nothing of a request is kept: no file, no name, no text, no header of a patient, nothing in memory's reach."""

import asyncio
import gc
import io
import json
import os
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxr_clip.web import form as forms
from support_dicom import dicom
from web.conftest import Client
from web.test_answers import png

OPENED: list[str] = []
WATCHING = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Note every file that is opened to be written, and every temporary one."""
    if not WATCHING:
        return
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        OPENED.append(str(arguments[0]))
    if event.startswith("tempfile.") or event in ("os.mkdir", "os.rename"):
        OPENED.append(f"{event} {arguments}")


sys.addaudithook(_audit)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[list[str]]:
    """The files that were written since the folder of the test was made."""
    global WATCHING  # noqa: PLW0603  # a hook stays for the life of the process
    OPENED.clear()
    WATCHING = True
    yield OPENED
    WATCHING = False


def large_png() -> bytes:
    """Noise of more bytes than any usual buffer for uploads in memory."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (1500, 1500), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_no_file_is_written(client: Client, opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    big = large_png()
    assert len(big) > 2_000_000
    for path, data in (
        ("classify", {"findings": '["Edema"]'}),
        ("explain", {"texts": '["Secret words."]'}),
        ("picture", {}),
        ("search", {}),
    ):
        assert client.post(f"/api/{path}", (big,), data=data).status_code == 200
    assert client.post("/api/classify", (big, b"no picture")).status_code == 415
    assert opened == []
    assert list(tmp_path.iterdir()) == []


def test_the_watch_on_files_works(opened: list[str]) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"seen")
    assert opened != []


def test_logs_and_answers_say_nothing_of_a_request(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    data = dicom(PatientName="Secretname^Jane", PatientID="secret-17", ViewPosition="PA")
    spoiled = data.replace(b"MONOCHROME2", b"secretcolor")
    said = []
    with caplog.at_level("DEBUG"):
        for one in (data, spoiled, data[:300]):
            said.append(client.post("/api/classify", (one,), data={"findings": '["Secret sentence."]'}))
            said.append(client.post("/api/picture", (one,)))
        said.append(client.post("/api/search", data={"text": "Secret search."}))
        said.append(client.get("/api/indexed/secret-study%2Fimage%2F0"))
        said.append(client.get("/secret-address?secret=1"))
    ours = [record for record in caplog.records if record.name == "cxr_clip.web"]
    assert len(ours) == len(said)
    lines = [record.getMessage().lower() for record in caplog.records if record.name != "httpx"]  # the asking side
    assert not [line for line in lines if "secret" in line]
    for answer in said:
        shown = answer.text.lower().replace("secret sentence.", "")  # the question, to the one who asked
        assert "secret" not in shown
    assert "secret" not in client.get("/metrics").text


def test_a_line_of_the_log_names_the_route_and_figures(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "cxr_clip.web"):
        client.get("/api/indexed/a%2Fimage%2F0")
        client.get("/nowhere")
        client.post("/api/classify", (png(0),), data={"findings": '["Edema"]'})
    lines = [json.loads(record.message) for record in caplog.records if record.name == "cxr_clip.web"]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("GET", "/api/indexed/{row_id}", 404),
        ("GET", "unknown", 404),
        ("POST", "/api/classify", 200),
    ]
    assert lines[2]["bytes_in"] > len(png(0))
    assert all(set(line) == set(lines[0]) for line in lines)


def test_an_upload_is_let_go_when_it_is_answered(start: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> None:
    class Form(forms.Form):
        """A form that tells when it is gone."""

    kept: list[weakref.ref[Form]] = []

    def noted(*arguments: Any) -> Form:
        made = Form(*arguments)
        kept.append(weakref.ref(made))
        return made

    monkeypatch.setattr(forms, "Form", noted)
    client = start()
    for path, data in (("classify", {}), ("explain", {"texts": '["A mass."]'}), ("picture", {}), ("search", {})):
        client.post(f"/api/{path}", (png(0),), data=data)
    client.together(lambda _: asyncio.sleep(0))
    gc.collect()
    assert len(kept) == 4
    assert [one() for one in kept] == [None] * 4
