"""A state file holds everything, whole, whatever lay in memory."""

from pathlib import Path

import pytest
import torch
from torch import nn

from cxr_clip.errors import CheckpointError
from cxr_clip.tensor_files import write_tensors
from cxr_clip.train.state import TrainState, as_text, load_state, moment_tensors, state_tensors


def save_state(path: Path, state: TrainState, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    tensors = state_tensors(model.state_dict(), moment_tensors(optimizer))
    write_tensors(path, tensors, {"state": as_text(state)})


class Awkward(nn.Module):
    """Tied weights, a transposed view, a counter without dimension and an empty buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4, bias=False)
        self.tied = nn.Linear(3, 4, bias=False)
        self.tied.weight = self.first.weight
        self.turned = nn.Parameter(torch.randn(5, 2).T)
        self.unused = nn.Parameter(torch.randn(3))
        self.register_buffer("count", torch.tensor(3))
        self.register_buffer("nothing", torch.empty(0))


def trained(seed: int) -> tuple[Awkward, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = Awkward()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (model.first.weight.square().sum() + model.turned.square().sum()).backward()
        optimizer.step()
    return model, optimizer


def test_model_and_optimiser_come_back_exactly(tmp_path: Path) -> None:
    path, state = tmp_path / "resume.safetensors", TrainState(step=3, best_value=0.1 + 0.2, best_step=2)
    model, optimizer = trained(0)
    save_state(path, state, model, optimizer)
    other, other_optimizer = trained(1)
    assert load_state(path, other, other_optimizer) == state
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    assert other.tied.weight is other.first.weight
    moments, other_moments = (one.state_dict()["state"] for one in (optimizer, other_optimizer))
    assert moments.keys() == other_moments.keys() == {0, 2}  # the unused parameter has none
    for number, values in moments.items():
        assert values.keys() == other_moments[number].keys()
        assert all(torch.equal(other_moments[number][name], value) for name, value in values.items())
    assert [path.name for path in tmp_path.iterdir()] == ["resume.safetensors"]


def test_counters_that_are_plain_numbers_are_kept(tmp_path: Path) -> None:
    model, optimizer = trained(0)
    for values in optimizer.state.values():
        values["step"] = 7
    save_state(tmp_path / "resume", TrainState(), model, optimizer)
    load_state(tmp_path / "resume", *(other := trained(1)))
    assert [float(values["step"]) for values in other[1].state.values()] == [7, 7]


def test_loaded_moments_do_not_hang_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "resume"
    save_state(path, TrainState(), *trained(0))
    model, optimizer = trained(1)
    load_state(path, model, optimizer)
    before = {name: value.clone() for name, value in optimizer.state_dict()["state"][0].items()}
    path.write_bytes(bytes(path.stat().st_size))
    assert all(torch.equal(optimizer.state_dict()["state"][0][name], value) for name, value in before.items())


@pytest.mark.parametrize("content", [b"", b"not a safetensors file at all"])
def test_a_broken_file_is_refused_with_the_mend(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "resume"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot be continued from .* delete it to start this run anew"):
        load_state(path, *trained(0))


def test_moments_of_other_parameters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "resume"
    model, optimizer = trained(0)
    save_state(path, TrainState(), model, optimizer)
    turned = torch.optim.AdamW(list(model.parameters())[::-1], lr=0.1)
    with pytest.raises(CheckpointError, match=r"optimizer\.0\.exp_avg of shape \(2, 5\) is of another model"):
        load_state(path, model, turned)


def test_weights_that_lie_channels_last_are_continued_as_if_never_stopped(tmp_path: Path) -> None:
    """The fused step goes through memory, so moments that lie otherwise than their weights would be those of others."""
    pictures = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))

    def begun() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(1)
        model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return model, torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)

    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        model(pictures).square().sum().backward()
        optimizer.step()

    straight, continued = begun(), begun()
    step(*straight)
    save_state(tmp_path / "resume", TrainState(step=1), *straight)
    load_state(tmp_path / "resume", *continued)
    for one in (straight, continued):
        step(*one)
    assert continued[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(continued[0].weight, straight[0].weight)
