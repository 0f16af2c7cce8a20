"""The code of docs/standards.md runs as it stands."""

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from fhir.resources.R4B.bundle import Bundle
from PIL import Image

from cxr_clip.standards.codes import FINDING_CODES
from support_data import made_up_picture
from support_models import tiny_run_folder
from support_pages import DOCS, blocks, run_commands
from support_results import dicom_file

PAGE = DOCS / "standards.md"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the page speaks of."""
    tiny_run_folder(tmp_path / "runs" / "openi", Path("nowhere"))
    Image.fromarray(made_up_picture(1)).save(tmp_path / "chest.png")
    for number, (name, view) in enumerate((("chest", "PA"), ("front", "PA"), ("side", "LL")), start=1):
        dicom_file(tmp_path / f"{name}.dcm", number=number, ViewPosition=view)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_run(place: Path, command: Callable[..., int]) -> None:
    assert len(run_commands(PAGE, command, more={"classify": ("--device", "cpu", "--always", "--quiet")})) == 3
    assert len(Bundle.model_validate_json((place / "chest.json").read_text()).entry) == 3
    assert pydicom.dcmread("study-sr.dcm").PatientID == "SECRET-17"


def test_the_page_counts_the_codes() -> None:
    assert f"The {len(FINDING_CODES)} findings of `standards/codes.py`" in PAGE.read_text("utf-8")


def test_the_python_runs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile("".join(blocks(PAGE, "python")), str(PAGE), "exec"), {})  # the page's own code
    assert "{'Similarity, not a probability': " in capsys.readouterr().out
