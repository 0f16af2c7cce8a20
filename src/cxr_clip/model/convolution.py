"""Convolutions by oneDNN where torch leaves it: without gradients, few pictures, one thread of an x86 CPU.

With one thread torch computes 1 x 1 convolutions of fewer than 16 pictures itself. Of eight pictures a ResNet-50 took
70 ms each that way and 48 by oneDNN; of a single one it took the same. Results differ by rounding only.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cxr_clip.model.linear import onednn_takes

# From so many pictures on torch asks oneDNN itself.
MANY = 16


class OneDnnConv2d(nn.Conv2d):
    """`nn.Conv2d` with the same weights and names; where torch has no slower way of its own, it is just that."""

    def forward(self, input: Float[Tensor, "batch channels height width"]) -> Tensor:  # noqa: A002
        """Return the convolution of each picture."""
        if not self._is_slow(input):
            return super().forward(input)
        shape = (self.padding, self.stride, self.dilation, self.groups)
        result: Tensor = torch.ops.mkldnn._convolution_pointwise.default(
            input, self.weight, self.bias, *shape, "none", [], ""
        )
        return result

    def _is_slow(self, pictures: Tensor) -> bool:
        return (
            torch.get_num_threads() == 1
            and not torch.is_grad_enabled()
            and pictures.ndim == 4
            and 1 < len(pictures) < MANY
            and self.kernel_size == (1, 1)
            and self.groups == 1
            and self.padding == (0, 0)
            and onednn_takes(pictures, self.weight, self.bias)
        )


def use_onednn_convolutions(model: nn.Module) -> None:
    """Make every plain `nn.Conv2d` inside a model an `OneDnnConv2d`; subclasses stay what they are."""
    for module in model.modules():
        if type(module) is nn.Conv2d:
            module.__class__ = OneDnnConv2d
