"""Convolutions by oneDNN: those of torch to rounding, and only where torch has a slower way of its own."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from cxr_clip.model import linear
from cxr_clip.model.convolution import MANY, OneDnnConv2d, use_onednn_convolutions

pytestmark = pytest.mark.skipif(not linear._available(), reason="torch has no oneDNN here, or this is no x86")


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def both(kernel: int = 1, **options: object) -> tuple[nn.Conv2d, OneDnnConv2d]:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 10, kernel, **options)
    fast = nn.Sequential(copy.deepcopy(plain))
    use_onednn_convolutions(fast)
    layer = fast[0]
    assert isinstance(layer, OneDnnConv2d)
    return plain, layer


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"stride": 2}])
@pytest.mark.parametrize("channels_last", [True, False])
def test_results_are_those_of_torch(one_thread, options, channels_last) -> None:
    plain, fast = both(**options)
    pictures = torch.randn(3, 6, 9, 8)
    if channels_last:
        pictures = pictures.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        assert fast._is_slow(pictures)
        torch.testing.assert_close(fast(pictures), plain(pictures), rtol=1e-5, atol=1e-6)


def test_elsewhere_the_layer_is_torchs_own(one_thread) -> None:
    plain, fast = both()
    pictures = torch.randn(3, 6, 9, 8)

    with torch.no_grad():
        assert not fast._is_slow(pictures[:1])
        assert not fast._is_slow(torch.randn(MANY, 6, 9, 8))
        assert not fast._is_slow(pictures[0])
        assert not fast._is_slow(pictures.double())
        assert not both(kernel=3)[1]._is_slow(pictures)
        assert not both(groups=2)[1]._is_slow(pictures)
        with torch.autocast("cpu", torch.bfloat16):
            assert not fast._is_slow(pictures)
        torch.set_num_threads(2)
        assert not fast._is_slow(pictures)
    torch.set_num_threads(1)
    gradients = [torch.autograd.grad(layer(pictures).sum(), layer.weight)[0] for layer in (plain, fast)]
    assert torch.equal(*gradients)


def test_names_are_those_of_torch() -> None:
    plain, fast = both()
    assert list(fast.state_dict()) == list(plain.state_dict())
