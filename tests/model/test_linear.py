"""Linear layers by oneDNN: those of torch to rounding, with every gradient; torch's own where oneDNN has no way."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from cxr_clip.model import linear
from cxr_clip.model.linear import OneDnnLinear, use_onednn

needs_onednn = pytest.mark.skipif(not linear._available(), reason="torch has no oneDNN here, or this is no x86")


@pytest.fixture
def products(monkeypatch) -> Iterator[list[tuple[int, ...]]]:
    """The shapes of all products that oneDNN was asked for; it is asked for small ones too."""
    asked: list[tuple[int, ...]] = []
    plain = linear._product

    def counted(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
        asked.append((*left.shape, len(right)))
        return plain(left, right, bias)

    monkeypatch.setattr(linear, "_product", counted)
    monkeypatch.setattr(linear, "SMALLEST", 0)
    return asked


def both(wide: int, out: int, *, bias: bool = True) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    plain = nn.Linear(wide, out, bias=bias)
    fast = nn.Sequential(copy.deepcopy(plain))
    use_onednn(fast)
    layer = fast[0]
    assert isinstance(layer, OneDnnLinear)
    return plain, layer


@needs_onednn
@pytest.mark.parametrize("shape", [(30, 12), (3, 10, 12), (2, 3, 5, 12), (12,)])
@pytest.mark.parametrize(("out", "bias"), [(7, True), (40, False)])
def test_outputs_and_gradients_are_those_of_torch(products, shape, out, bias) -> None:
    plain, fast = both(12, out, bias=bias)
    rows = torch.randn(shape, requires_grad=True)
    weights = torch.randn(*shape[:-1], out)
    expected = torch.autograd.grad((plain(rows) * weights).sum(), [rows, *plain.parameters()])
    output = fast(rows)
    got = torch.autograd.grad((output * weights).sum(), [rows, *fast.parameters()])
    assert len(products) == 3
    torch.testing.assert_close(output, plain(rows))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@needs_onednn
def test_a_gradient_that_is_one_number_for_all_and_rows_that_lie_elsewhere(products) -> None:
    plain, fast = both(12, 7)
    rows = torch.randn(12, 9).t()
    for layer in (plain, fast):
        layer(rows).sum().backward()
    assert len(products) == 2
    torch.testing.assert_close(fast.weight.grad, plain.weight.grad)
    torch.testing.assert_close(fast.bias.grad, plain.bias.grad)


@needs_onednn
def test_frozen_weights_cost_no_product(products) -> None:
    _, fast = both(12, 7)
    fast.requires_grad_(False)
    rows = torch.randn(5, 12, requires_grad=True)
    fast(rows).sum().backward()
    assert products == [(5, 12, 7), (5, 7, 12)]
    assert fast.weight.grad is None


@needs_onednn
def test_small_products_stay_with_torch(products, monkeypatch) -> None:
    plain, fast = both(12, 7)
    monkeypatch.setattr(linear, "SMALLEST", 5 * 12 * 7 + 1)
    rows = torch.randn(5, 12)
    assert torch.equal(fast(rows), plain(rows))
    assert not products
    fast(torch.randn(6, 12))
    assert len(products) == 1


def test_autocast_and_double_precision_are_torchs_own(products) -> None:
    plain, fast = both(12, 7)
    rows = torch.randn(5, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(fast(rows), plain(rows))
        assert fast(rows).dtype == torch.bfloat16
    assert torch.equal(fast.double()(rows.double()), plain.double()(rows.double()))
    assert not products


def test_gradients_of_gradients(products) -> None:
    plain, fast = both(12, 7)
    rows = torch.randn(5, 12)

    def penalty(layer: nn.Linear) -> tuple[Tensor, ...]:
        own = rows.clone().requires_grad_()
        (slope,) = torch.autograd.grad(layer(own).square().sum(), own, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), [own, layer.weight])

    torch.testing.assert_close(penalty(fast), penalty(plain), rtol=1e-4, atol=1e-4)


def test_functional_transforms(products) -> None:
    plain, fast = both(12, 7)
    rows = torch.randn(5, 12)

    def gradients(layer: nn.Linear) -> Tensor:
        return torch.func.vmap(torch.func.grad(lambda row: layer(row).square().sum()))(rows)

    torch.testing.assert_close(gradients(fast), gradients(plain))


def test_an_exported_layer_is_a_plain_one(products) -> None:
    _, fast = both(12, 7)
    rows = torch.randn(5, 12)
    program = torch.export.export(nn.Sequential(fast), (rows,))
    assert [str(node.target) for node in program.graph.nodes if "linear" in str(node.target)] == ["aten.linear.default"]
    assert not products


@needs_onednn
def test_the_same_bits_every_time(products) -> None:
    _, fast = both(96, 160)
    rows = torch.randn(300, 96, requires_grad=True)

    def once() -> tuple[Tensor, ...]:
        return torch.autograd.grad(fast(rows).square().sum(), [rows, *fast.parameters()])

    first = once()
    assert all(torch.equal(one, other) for _ in range(3) for one, other in zip(first, once(), strict=True))


def test_names_copies_and_pickles_are_those_of_torch(products) -> None:
    plain, fast = both(12, 7)
    assert list(fast.state_dict()) == list(plain.state_dict()) == ["weight", "bias"]
    rows = torch.randn(5, 12)
    for copied in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        assert torch.equal(copied(rows), fast(rows))


def test_layers_of_another_kind_stay_as_they_are() -> None:
    attention = nn.MultiheadAttention(8, 2)
    before = type(attention.out_proj)
    use_onednn(attention)
    assert type(attention.out_proj) is before is not nn.Linear


ONE_GRAPH = """
import torch
from cxr_clip.model.linear import use_onednn
model = torch.nn.Sequential(torch.nn.Linear(12, 7))
use_onednn(model)
rows = torch.randn(3, 12)
assert torch.equal(torch.compile(model, backend="eager", fullgraph=True)(rows), model(rows))
"""


@needs_onednn
def test_compiling_leaves_one_graph() -> None:
    # In a process of its own: the checks of shapes that the tests put around every function cannot be compiled.
    subprocess.run([sys.executable, "-c", ONE_GRAPH], check=True, capture_output=True)
