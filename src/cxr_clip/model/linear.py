"""Linear layers whose matrix products oneDNN takes where it is the faster library: single precision on an x86 CPU.

Torch hands such products to MKL. On one core of an AMD EPYC, MKL reaches 107 GFLOP/s and oneDNN, which comes with torch
too, 240 (600 rows, 768 to 768). Results differ by rounding only.
"""

import platform
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Multiplications of the smallest product that oneDNN is asked for: a call of it takes 10 us longer than one of MKL.
SMALLEST = 2_000_000


class OneDnnLinear(nn.Linear):
    """`nn.Linear` with the same weights, names and gradients; just that where oneDNN has no advantage or no way."""

    def forward(self, input: Float[Tensor, "*rows wide"]) -> Float[Tensor, "*rows out"]:  # noqa: A002
        """Return the product of each row with the weight, plus the bias."""
        if not _suits(input, self.weight, self.bias):
            return super().forward(input)
        rows = input.reshape(-1, self.in_features)
        output: Tensor = _Linear.apply(rows, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return output.view(*input.shape[:-1], self.out_features)


def use_onednn(model: nn.Module) -> None:
    """Make every plain `nn.Linear` inside a model an `OneDnnLinear`; subclasses stay what they are."""
    for module in model.modules():
        if type(module) is nn.Linear:
            # A class of its own keeps names, hooks and weights as they are.
            module.__class__ = OneDnnLinear


class _Linear(torch.autograd.Function):
    """X W' + b, of rows X."""

    @staticmethod
    def forward(context: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        context.save_for_backward(rows, weight)
        return _product(rows, weight, bias)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        rows, weight = context.saved_tensors
        needs_rows, needs_weight, needs_bias = context.needs_input_grad
        # Gradients of gradients need operators that have some, which oneDNN's product has not.
        of_rows, of_weight = (torch.matmul, _transposed_matmul) if torch.is_grad_enabled() else (_of_rows, _of_weight)
        gradient = gradient.contiguous()
        return (
            of_rows(gradient, weight) if needs_rows else None,
            of_weight(gradient, rows) if needs_weight else None,
            gradient.sum(dim=0) if needs_bias else None,
        )


def _of_rows(gradient: Float[Tensor, "rows out"], weight: Float[Tensor, "out wide"]) -> Float[Tensor, "rows wide"]:
    return _product(gradient, weight.t(), None)


def _of_weight(gradient: Float[Tensor, "rows out"], rows: Float[Tensor, "rows wide"]) -> Float[Tensor, "out wide"]:
    """G' X, with the narrower of the two on the left: 156 GFLOP/s and not 57 for 50,000 rows of 96 and 384."""
    if gradient.shape[1] <= rows.shape[1]:
        return _product(gradient.t(), rows.t(), None)
    return _product(rows.t(), gradient.t(), None).t()


def _transposed_matmul(gradient: Float[Tensor, "rows out"], rows: Float[Tensor, "rows wide"]) -> Tensor:
    return gradient.t() @ rows


def _product(left: Tensor, right: Tensor, bias: Tensor | None) -> Tensor:
    """Left times right transposed."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise.default(left, right, bias, "none", [], "")
    return result


def _suits(rows: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    return rows.numel() * weight.shape[0] >= SMALLEST and onednn_takes(rows, weight, bias)


def onednn_takes(*tensors: Tensor | None) -> bool:
    """Whether oneDNN is here and may be asked directly: plain tensors of single precision, and nobody records."""
    return (
        _available()
        and all(_plain_float(tensor) for tensor in tensors if tensor is not None)
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch._C._is_tracing()
        and not torch._C._functorch.peek_interpreter_stack()
    )


def _plain_float(tensor: Tensor) -> bool:
    """Whether a tensor is of single precision on a CPU, and no subclass that stands for something else."""
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and type(tensor) in (Tensor, nn.Parameter)


@cache
def _available() -> bool:
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and platform.machine().lower() in ("x86_64", "amd64")
    )
