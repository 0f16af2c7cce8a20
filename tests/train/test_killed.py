"""A run that is killed at any moment and continued is the run that was never stopped."""

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from support_programs import run_program


def test_a_run_killed_at_every_step_ends_bit_for_bit_as_one_never_stopped(tmp_path: Path) -> None:
    run_program("support_killed.py", tmp_path / "runs")
    assert int((tmp_path / "runs" / "kills").read_text()) == 17
    for name in ("resume.safetensors", "weights.safetensors"):
        straight, killed = (load_file(tmp_path / "runs" / run / name) for run in ("straight", "killed"))
        assert straight.keys() == killed.keys()
        assert all(torch.equal(straight[key], killed[key]) for key in straight)
    assert _counters(tmp_path / "runs" / "straight") == _counters(tmp_path / "runs" / "killed")
    assert _figures(tmp_path / "runs" / "straight") == _figures(tmp_path / "runs" / "killed")


def _counters(folder: Path) -> dict[str, object]:
    """Where the training stands; the seconds that it took differ."""
    with safe_open(folder / "resume.safetensors", framework="pt") as file:
        counters: dict[str, object] = json.loads(file.metadata()["state"])
    assert counters.pop("seconds")
    return counters


def _figures(folder: Path) -> list[tuple[str, int, object, object]]:
    """What the log says of the learning, each step once; times differ."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    told = [line if line["kind"] != "time" else {"kind": "time", "step": line["step"]} for line in lines]
    return [(line["kind"], line["step"], line.get("loss"), line.get("gradient_norm")) for line in told]
