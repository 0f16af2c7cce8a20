"""The code of docs/use.md and the programs of examples/ run as they stand."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cxr_clip.errors import EmbeddingInputError
from support_data import made_up_picture, write_tiny_manifest
from support_dicom import dicom
from support_models import tiny_run_folder
from support_pages import DOCS, blocks, run_commands

ROOT = Path(__file__).parents[1]
PAGE = DOCS / "use.md"
Command = Callable[..., int]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the page speaks of."""
    data = write_tiny_manifest(tmp_path / "data" / "openi")
    for name in ("openi", "swint_mcc"):
        tiny_run_folder(tmp_path / "runs" / name, data)
    for number, name in enumerate(("chest.png", "side.png")):
        Image.fromarray(made_up_picture(number)).save(tmp_path / name)
    (tmp_path / "scans").mkdir()
    for name in ("chest.dcm", "scans/a.dcm"):
        (tmp_path / name).write_bytes(dicom())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_of_the_page_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "".join(blocks(PAGE, "python"))
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # the page's own code
    assert capsys.readouterr().out.count("similarity, not a probability") == 8
    assert names["similarity"].shape == (2, 2)  # type: ignore[attr-defined]


def test_the_commands_of_the_page_run(place: Path, command: Command) -> None:
    assert (
        len(run_commands(PAGE, command, more=dict.fromkeys(("classify", "embed", "reference"), ("--device", "cpu"))))
        == 5
    )
    assert (place / "openi.parquet").is_file()


def test_the_error_on_the_page_is_that_of_the_program(place: Path) -> None:
    (place / "chest.dcm").write_bytes(b"no picture")
    (quoted,) = re.findall(r"`(picture 1 .*?)`", PAGE.read_text("utf-8"))
    with pytest.raises(EmbeddingInputError, match=re.escape(quoted)):
        exec(compile(blocks(PAGE, "python")[0], str(PAGE), "exec"), {})


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("classify_a_study", ("runs/openi", "chest.png", "chest.dcm"), "Cardiomegaly"),
        ("embed_a_manifest", ("runs/openi", "data/openi", "out.parquet"), "nearest to train-0/image/0:"),
    ],
)
def test_examples_run(
    place: Path,
    name: str,
    arguments: tuple[str, ...],
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
    assert shown in capsys.readouterr().out
