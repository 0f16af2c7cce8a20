"""Batch normalisation: running statistics, and statistics over the rows of all workers."""

import copy

import pytest
import torch
from torch import nn

from cxr_clip.distributed import SINGLE, Workers
from cxr_clip.model.batch_norm import WholeBatchNorm, batch_norm_names, remember_batches, synchronise
from cxr_clip.model.image_encoder import image_encoder_from_architecture
from support_models import IMAGE


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


@pytest.mark.parametrize(("momentum", "affine"), [(0.1, True), (None, True), (0.3, False)])
def test_of_one_worker_it_is_that_of_torch(momentum: float | None, affine: bool) -> None:
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(3, momentum=momentum, affine=affine).double()
    if affine:
        nn.init.normal_(plain.weight)
        nn.init.normal_(plain.bias)
    whole = WholeBatchNorm(copy.deepcopy(plain), SINGLE)
    for _ in range(2):
        pictures = 100 + torch.randn(4, 3, 5, 6, dtype=torch.float64)
        pull = torch.randn_like(pictures)
        results = []
        for layer in (plain, whole):
            given = pictures.clone().requires_grad_()
            out = layer(given)
            (out * pull).sum().backward()
            results.append((out.detach(), given.grad))
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    for (name, one), (_, other) in zip(plain.named_parameters(), whole.named_parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-9, msg=name)
    assert plain.state_dict().keys() == whole.state_dict().keys()
    for one, other in zip(plain.state_dict().values(), whole.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    torch.testing.assert_close(plain.eval()(pictures), whole.eval()(pictures), rtol=0, atol=1e-10)


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
