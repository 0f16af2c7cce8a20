"""On several workers a training has the losses, gradients, validations and weights of one with the whole batch."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from support_programs import run_program
from support_training import STEPS

# Two workers share a batch of four evenly, three do not, and of the last validation batch of two studies four have
# nothing for half of them.
COUNTS = (2, 3, 4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    run_program("support_many_workers.py", folder, 1, *COUNTS)
    return folder


def close(one: Path, other: Path, *, within: float) -> bool:
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    assert first
    return all(torch.allclose(value, second[name], rtol=0, atol=within) for name, value in first.items())


def log_of(folder: Path, kind: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


@pytest.mark.parametrize("count", COUNTS)
def test_every_step_has_the_losses_and_gradients_of_one_worker(count: int, runs: Path) -> None:
    alone, together = (log_of(runs / str(number), "train") for number in (1, count))
    assert [line["step"] for line in together] == list(range(1, STEPS + 1))
    for one, other in zip(alone, together, strict=True):
        for figure in ("loss", "image_text", "image_image", "text_text", "scale", "gradient_norm"):
            assert other[figure] == pytest.approx(one[figure], abs=1e-9)
    for step in range(STEPS):
        assert close(runs / "1" / f"gradients-{step}", runs / str(count) / f"gradients-{step}", within=1e-9)


@pytest.mark.parametrize("count", COUNTS)
def test_weights_moments_and_running_statistics_are_those_of_one_worker(count: int, runs: Path) -> None:
    for name in ("resume.safetensors", "weights.safetensors"):
        assert close(runs / "1" / name, runs / str(count) / name, within=1e-9)


@pytest.mark.parametrize("count", COUNTS)
def test_validation_counts_every_study_once(count: int, runs: Path) -> None:
    alone, together = (log_of(runs / str(number), "validate") for number in (1, count))
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, abs=1e-9)
        assert other["studies"] == 6
