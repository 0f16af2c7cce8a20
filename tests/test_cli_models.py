"""Models that come from elsewhere and go there, by the commands."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support_data import write_tiny_manifest
from support_published import checkpoint, saved, vocabulary

Command = Callable[..., int]


def test_published_weights_are_imported_and_measured(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "tiny.tar", checkpoint())
    vocabulary(tmp_path / "words")
    assert command("import-weights", "tiny.tar", "run", "--tokeniser", "words") == 0
    said = capsys.readouterr().out
    assert "next: cxr-clip evaluate run MANIFEST_FOLDER" in said
    assert "4 tables that the model makes itself compared and equal, 2 left out" in said
    write_tiny_manifest(tmp_path / "data", train=1, validate=1, test=12)
    assert command("evaluate", "run", "data", "--resamples", 100, "--device", "cpu", "--quiet") == 0
    assert (tmp_path / "run" / "report.html").is_file()
    assert command("recipe", "run") == 0
    assert "pooling: first" in capsys.readouterr().out


def test_a_file_that_is_none_is_told_in_one_sentence(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.tar").write_text("<html>not found</html>")
    assert command("import-weights", "page.tar", "run") == 2
    assert capsys.readouterr().err.startswith("cxr-clip: page.tar is not read: it is no whole zip as torch.save writes")


def test_a_push_without_a_hub_is_told_in_one_sentence(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "tiny.tar", checkpoint())
    vocabulary(tmp_path / "words")
    assert command("import-weights", "tiny.tar", "run", "--tokeniser", "words") == 0
    assert command("push", "run", "no-owner") == 2
    assert "'no-owner' is no name of a model on the hub: give owner/name" in capsys.readouterr().err
    assert command("push", "run", "owner/name") == 2
    assert "cannot write owner/name to the hub" in capsys.readouterr().err
