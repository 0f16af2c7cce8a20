"""The command as people start and stop it, over a real socket on this machine, asked by curl."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cxr_clip.web import packages
from cxr_clip.web.server import listening
from support_dicom import dicom
from support_models import tiny_run_folder
from support_pages import DOCS, commands
from support_programs import environment
from web.test_answers import png

Command = Callable[..., int]
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is absent")


def start(*arguments: object) -> tuple[subprocess.Popen[str], str]:
    """A server process, and the address that it says."""
    server = subprocess.Popen(
        [sys.executable, "-m", "cxr_clip", "serve", *map(str, arguments), "--port", "0", "--device", "cpu"],
        env=environment() | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    said = server.stdout.readline()
    address = re.search(r"http://\S+/", said)
    if address is None:
        server.kill()
        raise AssertionError(said + server.communicate()[1])
    return server, address[0]


def curl(*arguments: object) -> str:
    asked = subprocess.run(["curl", "-sS", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    started = start(place / "run", "--index", place / "index", "--data", place / "data", "--file-bytes", 2_000_000)
    yield started
    started[0].terminate()
    lines = started[0].communicate(timeout=60)[1].splitlines()
    assert lines
    assert all(json.loads(line).keys() >= {"method", "path", "status"} for line in lines), lines
    assert not [line for line in lines if "secret" in line]


@needs_curl
def test_the_examples_of_the_page_run(
    server: tuple[subprocess.Popen[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [line for line in commands(DOCS / "serve.md") if line.startswith("curl ")]
    assert len(asked) >= 6
    monkeypatch.chdir(tmp_path)
    Path("chest.png").write_bytes(png(0))
    Path("side.png").write_bytes(png(1))
    for line in asked:
        told = subprocess.run(
            ["sh", "-c", line.replace("http://127.0.0.1:8000/", server[1]).replace("curl ", "curl -sSf ", 1)],
            capture_output=True,
            check=False,
        )
        assert told.returncode == 0, (line, told.stderr)
        if " -o " not in line and "/metrics" not in line:
            assert "error" not in json.loads(told.stdout), line


@needs_curl
@pytest.mark.parametrize("body", ["secret", "--b\r\nsecret\r\n", "--b\r\nX: y\r\n\r\nsecret\r\n--b-secret"])
def test_libraries_do_not_quote_a_spoiled_form(server: tuple[subprocess.Popen[str], str], body: str) -> None:
    """What they write would be on stderr, which is looked at in the end."""
    kind = "Content-Type: multipart/form-data; boundary=b"
    told = curl("-H", kind, "--data-binary", body, f"{server[1]}api/classify")
    assert "secret" not in told


@needs_curl
def test_libraries_do_not_quote_a_spoiled_file(server: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    data = dicom(WindowCenter=900, WindowWidth=600).replace(b"1.2.3\0", b"secret")
    (tmp_path / "a.dcm").write_bytes(data)
    images = ["-F", f"images=@{tmp_path / 'a.dcm'}"] * 8
    assert "secret" not in curl(*images, f"{server[1]}api/classify")


@needs_curl
def test_a_refusal_reaches_one_who_is_still_sending(server: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(8_000_000))
    told = curl("-w", "%{http_code}", "-F", f"images=@{tmp_path / 'large'}", f"{server[1]}api/classify")
    assert told == '{"error":"picture 0 has more than 2,000,000 bytes: send less"}413'


@pytest.mark.enable_socket
def test_a_port_that_is_taken_is_told(command: Command, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listening("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        assert command("serve", place / "run", "--port", port) == 2
    assert capsys.readouterr().err == (
        f"cxr-clip: port {port} of 127.0.0.1 is taken: stop what listens there, or give another --port\n"
    )


@needs_curl
def test_a_request_in_work_is_answered_before_the_end(place: Path, tmp_path: Path) -> None:
    server, address = start(place / "run", "--wait", 1.5, "--host", "0.0.0.0")
    (tmp_path / "chest.png").write_bytes(png(0))
    asking = subprocess.Popen(
        [
            "curl",
            "-sS",
            "-F",
            f"images=@{tmp_path / 'chest.png'}",
            f"{address.replace('0.0.0.0', '127.0.0.1')}api/classify",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    figures = f"{address.replace('0.0.0.0', '127.0.0.1')}metrics"
    while "cxr_clip_queue_length 1.0" not in curl(figures):
        assert server.poll() is None
    os.kill(server.pid, signal.SIGTERM)
    told, errors = server.communicate(timeout=60)
    assert json.loads(asking.communicate(timeout=60)[0])["study"]["images"] == 1
    assert (server.returncode, told) == (0, "stopped\n")
    warning, *lines = errors.splitlines()
    assert "is reached from other machines, without log-in or encryption" in warning
    assert [json.loads(line)["path"] for line in lines if "classify" in line] == ["/api/classify"]


@pytest.mark.enable_socket
def test_what_cannot_be_served_is_told_in_one_sentence(
    command: Command, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny_run_folder(tmp_path / "other", place / "data", seed=9)
    for arguments, words in (
        ((place / "data",), "is not a run folder"),
        ((other, "--index", place / "index"), "the index is of model"),
        ((place / "run", "--index", place / "nothing"), "no index at"),
        ((place / "run", "--data", place / "data"), "--data has no effect without --index"),
        ((place / "run", "--host", "203.0.113.7"), "203.0.113.7:0 cannot be listened on"),
        ((place / "run", "--host", ""), "no address to listen on"),
    ):
        assert command("serve", *arguments, "--port", 0, "--device", "cpu") == 2
        assert words in capsys.readouterr().err


def test_absent_packages_are_named(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "PACKAGES", ("uvicorn", "no_such_package"))
    assert command("serve", "run") == 2
    assert capsys.readouterr().err == 'cxr-clip: serving needs no_such_package: pip install "cxr-clip[web]"\n'
