"""The folder of an export appears where it was asked for, or the mistake is told before anything is computed."""

import os
from pathlib import Path

import pytest

from cxr_clip.errors import CheckpointError, OutputError
from cxr_clip.export.folder import new_folder


def fill(out: Path) -> None:
    with new_folder(out) as folder:
        (folder / "file").touch()


def test_an_empty_folder_may_be_named_by_a_link_or_as_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("linked", "current"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("linked")
    (tmp_path / "to nothing yet").symlink_to("new")
    fill(tmp_path / "link")
    fill(tmp_path / "to nothing yet")
    monkeypatch.chdir(tmp_path / "current")
    fill(Path())
    assert {file.parent.name for file in tmp_path.glob("*/file") if not file.parent.is_symlink()} == {
        "linked", "new", "current",
    }  # fmt: skip
    assert (tmp_path / "link").is_symlink()


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"out cannot be written, as .*file is a file: give another place"):
        fill(tmp_path / "file" / "deeper" / "out")
    (tmp_path / "link").symlink_to("file/deeper/out")
    with pytest.raises(OutputError, match=r"out cannot be written, as .*file is a file: give another place"):
        fill(tmp_path / "link")
    with pytest.raises(CheckpointError, match="file is there and not empty"):
        fill(tmp_path / "file")


def test_a_read_only_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != tmp_path)  # root may write anywhere
    with pytest.raises(OutputError, match="nothing may be written in"):
        fill(tmp_path / "deeper" / "out")
    assert not list(tmp_path.iterdir())
