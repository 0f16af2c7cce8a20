"""The commands that say how far scores can be trusted, as people use them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_clip.calibration import CALIBRATION
from support_data import write_tiny_manifest
from support_models import tiny_run_folder

Command = Callable[..., int]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"), train=2, validate=24, test=12)


def test_a_run_is_calibrated_but_not_on_its_test_split(
    command: Command, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny_run_folder(tmp_path / "run", manifest)
    assert command("calibrate", "run", manifest, "--min-positives", 5) == 0
    shown = capsys.readouterr().out
    assert "Fracture" in shown
    assert f"calibration: run/{CALIBRATION}" in shown
    assert json.loads((run / CALIBRATION).read_text())["findings"]["Fracture"]["n"] == 24
    assert command("calibrate", "run", manifest, "--split", "test") == 2
    assert "not fitted on the test split" in capsys.readouterr().err


def test_two_runs_are_compared(
    command: Command, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate(("a", "b [2]")):
        tiny_run_folder(tmp_path / name, manifest, seed=seed)
        assert (
            command("evaluate", name, manifest, "--style", "standard", "--resamples", 100, "--split", "validate") == 0
        )
    capsys.readouterr()
    assert command("compare", "a", "b [2]", "--resamples", 100, "--correction", "benjamini-hochberg") == 0
    shown = capsys.readouterr().out
    assert "second: b [2]" in shown
    assert "corrected for the findings of a table, or all recalls (benjamini-hochberg)" in shown
    assert "comparison: b [2]/compare.html" in shown
    figures = [one["figure"] for one in json.loads((tmp_path / "b [2]" / "compare.json").read_text())["differences"]]
    assert "auroc/Fracture" in figures
    assert "text_to_image/recall_at_5" in figures
    assert command("compare", "a", tmp_path) == 2
    assert "no scores at" in capsys.readouterr().err
