"""Batch normalisation: running statistics, and statistics over the rows of all workers."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cxr_clip.distributed import SINGLE, Workers
from cxr_clip.model.batch_norm import WholeBatchNorm, batch_norm_names, remember_batches, synchronise
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from support_batch_norm_workers import KINDS, learned, plain_layer
from support_models import IMAGE
from support_programs import run_program


def test_mobilenet_statistics_are_not_those_of_the_last_batch_alone() -> None:
    torch.manual_seed(0)
    encoder = image_encoder_from_architecture({"model_type": "mobilenet_v2", "depth_multiplier": 0.35}, pooling="mean")
    norms = [module for module in encoder.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert {norm.momentum for norm in norms} == {0.1}


def test_a_sane_momentum_is_left_alone() -> None:
    model = nn.Sequential(nn.BatchNorm2d(2, momentum=0.03), nn.BatchNorm2d(2, momentum=None))
    remember_batches(model)
    assert [norm.momentum for norm in model] == [0.03, None]


def pulled(out: Tensor) -> Tensor:
    """A loss whose gradient by the outputs is laid out as usual, whatever the layout of the outputs."""
    return (out * torch.arange(out.numel(), dtype=out.dtype).sin().view(out.shape)).sum()


@dataclass(frozen=True)
class Case:
    layer: type[nn.Module] = nn.BatchNorm2d
    momentum: float | None = 0.1
    affine: bool = True
    frozen: bool = False
    rows_learn: bool = True
    layout: torch.memory_format = torch.contiguous_format
    loss: Callable[[Tensor], Tensor] = pulled

    def rows(self) -> Tensor:
        shape = (9, 3) if self.layer is nn.BatchNorm1d else (4, 3, 5, 6)
        rows = 100 + torch.randn(shape, dtype=torch.float64).contiguous(memory_format=self.layout)
        return rows.requires_grad_(self.rows_learn)


CASES = {
    "plain": Case(),
    "mean of all batches": Case(momentum=None),
    "without weights": Case(affine=False, momentum=0.3),
    "frozen weights": Case(frozen=True),
    "rows that do not learn": Case(rows_learn=False),
    "gradient that is one number": Case(loss=torch.sum),
    "gradient that is one number a channel": Case(loss=lambda out: pulled(out.sum(dim=(2, 3)))),
    "channels last": Case(layout=torch.channels_last, loss=lambda out: out.sin().sum()),
    "channels last, not of the gradient": Case(layout=torch.channels_last),
    "no place": Case(layer=nn.BatchNorm1d),
    "no place, gradient that is one number": Case(layer=nn.BatchNorm1d, loss=torch.sum),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_of_one_worker_it_is_that_of_torch(case: Case) -> None:
    torch.manual_seed(0)
    plain = case.layer(3, momentum=case.momentum, affine=case.affine).double()
    for weights in plain.parameters():
        nn.init.normal_(weights)
        weights.requires_grad_(not case.frozen)
    whole = WholeBatchNorm(copy.deepcopy(plain), SINGLE)
    for _ in range(2):
        rows = case.rows()
        results = []
        for layer in (plain, whole):
            own = rows.detach().clone().requires_grad_(rows.requires_grad)
            out = layer(own)
            case.loss(out).backward()
            results.append((out, own.grad))
        (expected, of_expected), (found, of_found) = results
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
        torch.testing.assert_close(of_found, of_expected, rtol=0, atol=1e-10)
        assert found.stride() == expected.stride()
    for (name, one), (_, other) in zip(plain.named_parameters(), whole.named_parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-9, msg=name)
        assert (one.grad is None) == case.frozen
    assert plain.state_dict().keys() == whole.state_dict().keys()
    for one, other in zip(plain.state_dict().values(), whole.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    torch.testing.assert_close(plain.eval()(rows), whole.eval()(rows), rtol=0, atol=1e-10)


@pytest.mark.parametrize("mean", [0, 10, 1000])
def test_far_from_zero_single_precision_loses_what_torchs_layer_loses(mean: int) -> None:
    torch.manual_seed(0)
    rows = mean + torch.randn(16, 64, 8, 8)
    pull = (rows - mean) + torch.randn_like(rows)
    exact, plain = nn.BatchNorm2d(64).double(), nn.BatchNorm2d(64)
    whole = WholeBatchNorm(copy.deepcopy(plain), SINGLE)
    truth, of_torch, found = (
        learned(layer, rows.to(layer.weight.dtype), pull.to(layer.weight.dtype)) for layer in (exact, plain, whole)
    )
    for name, value in truth.items():
        lost, of_torch_lost = ((one[name] - value.double()).norm() for one in (found, of_torch))
        assert lost <= 1.5 * of_torch_lost + 1e-7 * value.double().norm(), name


def test_one_value_per_channel_is_refused_as_by_torchs_layer() -> None:
    plain = nn.BatchNorm1d(3)
    whole = WholeBatchNorm(copy.deepcopy(plain), SINGLE)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        plain(torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"one value per channel .*over all workers \(here \(1, 3\)\): give"):
        whole(torch.ones(1, 3))
    assert torch.equal(whole.running_var, torch.ones(3))
    assert whole.eval()(torch.ones(1, 3)).isfinite().all()


@pytest.mark.parametrize("loss", [pulled, lambda out: out.sin().sum()], ids=["linear", "curved"])
def test_a_second_derivative_is_refused(loss: Callable[[Tensor], Tensor]) -> None:
    rows = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    whole = WholeBatchNorm(nn.BatchNorm1d(3).double(), SINGLE)
    (slope,) = torch.autograd.grad(loss(whole(rows)), rows, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        slope.square().sum().backward()


@pytest.fixture(scope="module")
def shared_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five rows, which neither two nor three workers share evenly; one of three has a single row."""
    folder, draw = tmp_path_factory.mktemp("workers"), torch.Generator().manual_seed(0)
    for kind, shape in {"flat": (5, 3), "pictures": (5, 3, 4, 2)}.items():
        shapes = {"rows": shape, "pull": shape, "weight": (3,), "bias": (3,)}
        batch = {name: torch.randn(of, generator=draw, dtype=torch.float64) for name, of in shapes.items()}
        # The workers' own means are far apart.
        batch["rows"] += 10 * torch.arange(5).view(-1, *(1,) * (len(shape) - 1))
        save_file(batch, folder / kind)
    run_program("support_batch_norm_workers.py", folder, 2, 3)
    return folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 3])
def test_of_several_workers_it_is_that_of_torch_on_all_rows(count: int, kind: str, shared_out: Path) -> None:
    given = load_file(shared_out / kind)
    expected = learned(plain_layer(kind, given), given["rows"], given["pull"])
    workers = [load_file(shared_out / f"{kind}-{count}-{rank}") for rank in range(count)]
    for name, value in expected.items():
        found = [worker[name] for worker in workers]
        if name.startswith(("out", "rows")):
            torch.testing.assert_close(torch.cat(found), value, rtol=0, atol=1e-10, msg=name)
        elif name.startswith("gradient"):
            torch.testing.assert_close(torch.stack(found).sum(dim=0), value, rtol=0, atol=1e-10, msg=name)
        else:
            for one in found:
                torch.testing.assert_close(one, value, rtol=0, atol=1e-10, msg=name)


def test_half_precision_has_statistics_in_single_precision() -> None:
    whole = WholeBatchNorm(nn.BatchNorm2d(2), SINGLE)
    pictures = (100 + torch.randn(8, 2, 4, 4)).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        out = whole(pictures)
    assert out.dtype == torch.bfloat16
    exact = nn.BatchNorm2d(2)(pictures.float())
    assert torch.allclose(out.float(), exact, atol=0.02)


def test_every_layer_is_replaced_and_keeps_its_names() -> None:
    encoder = image_encoder_from_architecture(IMAGE, pooling="mean")
    names, keys = batch_norm_names(encoder), list(encoder.state_dict())
    assert names
    synchronise(encoder, Workers(0, 2), device="cpu")
    assert batch_norm_names(encoder) == names
    assert all(isinstance(encoder.get_submodule(name), WholeBatchNorm) for name in names)
    assert list(encoder.state_dict()) == keys
    assert encoder.training


def test_on_a_gpu_it_is_the_layer_of_torch() -> None:
    encoder = image_encoder_from_architecture(IMAGE, pooling="mean")
    synchronise(encoder, Workers(0, 2), device="cuda")
    assert all(isinstance(encoder.get_submodule(name), nn.SyncBatchNorm) for name in batch_norm_names(encoder))
