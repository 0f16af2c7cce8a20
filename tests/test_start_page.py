"""The code of docs/start.md runs as it stands, with a small run in the place of the quickstart's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support_data import write_tiny_manifest
from support_models import tiny_run_folder
from support_pages import DOCS, blocks, run_commands

PAGE = DOCS / "start.md"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., int]) -> Path:
    """A folder with what the page speaks of."""
    command("synthesize", "openi", "data-quickstart/openi-raw", "--studies", 2, "--image-size", 64, "--processes", 1)
    data = write_tiny_manifest(tmp_path / "data-quickstart" / "openi")
    tiny_run_folder(tmp_path / "runs" / "quickstart", data)
    return tmp_path


def test_the_page_runs(place: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert len(run_commands(PAGE, command)) == 4
    exec(compile("".join(blocks(PAGE, "python")), str(PAGE), "exec"), {})  # the page's own code
    shown = capsys.readouterr().out
    assert "Cardiomegaly" in shown
    assert "tensor(" in shown
