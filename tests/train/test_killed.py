"""A run that is killed at any moment and continued is the run that was never stopped."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from support_programs import run_program
from support_training import STEPS


def test_a_run_killed_at_every_step_ends_bit_for_bit_as_one_never_stopped(tmp_path: Path) -> None:
    run_program("support_killed.py", tmp_path / "runs")
    assert int((tmp_path / "runs" / "kills").read_text()) == 17
    assert_same(tmp_path / "runs")


@pytest.mark.parametrize(("count", "processes"), [(2, 2), (3, 0)])
def test_several_workers_of_which_one_is_killed_end_bit_for_bit_as_never_stopped(
    count: int, processes: int, tmp_path: Path
) -> None:
    run_program("support_killed_workers.py", tmp_path / "runs", count, processes)
    assert_same(tmp_path / "runs")


def test_workers_of_which_one_is_asked_to_end_end_together_and_continue_bit_for_bit(tmp_path: Path) -> None:
    run_program("support_stopped_workers.py", tmp_path / "runs")
    assert_same(tmp_path / "runs")


def assert_same(runs: Path) -> None:
    for name in ("resume.safetensors", "weights.safetensors"):
        straight, killed = (load_file(runs / run / name) for run in ("straight", "killed"))
        assert straight.keys() == killed.keys()
        assert all(torch.equal(straight[key], killed[key]) for key in straight)
    assert _counters(runs / "straight") == _counters(runs / "killed")
    assert _figures(runs / "straight") == _figures(runs / "killed")


def _counters(folder: Path) -> dict[str, object]:
    """Where the training stands; the seconds that it took differ."""
    with safe_open(folder / "resume.safetensors", framework="pt") as file:
        counters: dict[str, object] = json.loads(file.metadata()["state"])
    assert counters.pop("seconds")
    return counters


def _figures(folder: Path) -> list[tuple[str, int, object, object]]:
    """What the log says of the learning, each step once; times differ."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    # A session that ended before its time has a line of its own.
    lines = [line for line in lines if line["kind"] != "time" or line["step"] == STEPS]
    told = [line if line["kind"] != "time" else {"kind": "time", "step": line["step"]} for line in lines]
    return [(line["kind"], line["step"], line.get("loss"), line.get("gradient_norm")) for line in told]
