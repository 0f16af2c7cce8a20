"""The average of the weights: its value, and that it is what a run validates and keeps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cxr_clip.train.averaging import Average
from cxr_clip.train.training import Training
from support_training import STEPS, before_step, run, state_of, tiny_training


def walk(model: nn.Module, step: int) -> None:
    """Move all weights to places that are known."""
    generator = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.rand(weight.shape, generator=generator))


def averaged(*, decay: float = 0.9) -> Training:
    training = tiny_training()
    return replace(training, average=Average(training.model, decay))


def test_late_in_a_run_it_is_torchs_average() -> None:
    model = nn.Linear(3, 2)
    ours = Average(model, 0.9)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    theirs.update_parameters(model)  # the first call of torch's copies
    for step in range(1000, 1020):
        walk(model, step)
        ours.follow(model, step)
        theirs.update_parameters(model)
    for name, value in theirs.module.state_dict().items():
        torch.testing.assert_close(ours.state()[name], value)


def test_at_the_start_it_forgets_fast() -> None:
    """After steps 1 and 2 by hand: shares 9/11 and 9/12."""
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    average = Average(model, 0.999)
    for step, value in ((1, 12.0), (2, 0.0)):
        with torch.no_grad():
            model.weight.fill_(value)
        average.follow(model, step)
    assert average.state()["weight"].item() == pytest.approx((1 + 9 / 11 * (12 - 1)) * 3 / 12)


def test_running_statistics_are_averaged_and_their_counter_is_copied() -> None:
    layer = nn.BatchNorm1d(2)
    average = Average(layer, 0.5)
    layer(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    average.follow(layer, 100)
    torch.testing.assert_close(average.state()["running_mean"], layer.running_mean / 2)
    assert average.state()["num_batches_tracked"] == 1


def test_weights_that_stand_still_take_no_memory() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    assert set(Average(model, 0.9).state()) == {"1.weight", "1.bias"}


def test_it_takes_the_place_of_the_weights_and_gives_it_back() -> None:
    model = nn.Linear(3, 2)
    average = Average(model, 0.9)
    walk(model, 1)
    average.follow(model, 1)
    own, mean = ({name: value.clone() for name, value in one.items()} for one in (model.state_dict(), average.state()))
    with average.in_place(model):
        assert all(torch.equal(value, mean[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())
    assert all(torch.equal(value, mean[name]) for name, value in average.state().items())


def test_it_follows_a_training_without_touching_it(tmp_path: Path) -> None:
    plain, training = tiny_training(), averaged()
    for name, one in (("plain", plain), ("averaged", training)):
        (tmp_path / name).mkdir()
        run(one, tmp_path / name)
    assert all(torch.equal(value, state_of(training)[name]) for name, value in state_of(plain).items())


def test_the_averaged_weights_are_validated_and_kept(tmp_path: Path) -> None:
    training = averaged()
    training = replace(training, validation_batches=None)
    run(training, tmp_path)
    kept, mean = load_file(tmp_path / "weights.safetensors"), training.average.state()
    assert kept.keys() == training.model.state_dict().keys()
    assert all(torch.equal(kept[name], value) for name, value in mean.items())
    assert not torch.equal(kept["text_projection.weight"], training.model.text_projection.weight)


def test_a_validation_sees_the_averaged_weights(tmp_path: Path) -> None:
    training = averaged()
    seen: list[torch.Tensor] = []
    batches = training.validation_batches

    def watched():
        seen.append(training.model.text_projection.weight.detach().clone())
        yield from batches()

    run(replace(training, validation_batches=watched), tmp_path)
    assert torch.equal(seen[-1], training.average.state()["text_projection.weight"])


@pytest.mark.parametrize("bf16", [False, True])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path: Path, bf16: bool) -> None:
    (tmp_path / "straight").mkdir()
    (tmp_path / "stopped").mkdir()
    run(replace(averaged(), bf16=bf16), tmp_path / "straight")

    def stop() -> None:
        raise KeyboardInterrupt

    for at in (5, 7):
        with pytest.raises(KeyboardInterrupt):
            run(before_step(replace(averaged(), bf16=bf16), at, stop), tmp_path / "stopped")
    assert run(replace(averaged(), bf16=bf16), tmp_path / "stopped").state.step == STEPS
    for name in ("resume.safetensors", "weights.safetensors"):
        straight, stopped = (load_file(tmp_path / folder / name) for folder in ("straight", "stopped"))
        assert straight.keys() == stopped.keys()
        assert all(torch.equal(value, stopped[key]) for key, value in straight.items())
        assert all(value.dtype in (torch.float32, torch.int64) for value in straight.values())
    assert any(key.startswith("average.") for key in load_file(tmp_path / "straight" / "resume.safetensors"))


def test_an_average_of_another_model_is_refused() -> None:
    average = Average(nn.Linear(2, 2), 0.9)
    with pytest.raises(ValueError, match=r"of another model \(bias\)"):
        average.load({"weight": torch.zeros(2, 2)})
    with pytest.raises(ValueError, match=r"averaged bias has shape \(3,\)"):
        average.load({"bias": torch.zeros(3), "weight": torch.zeros(2, 2)})
