"""What autograd keeps for the backward pass, counted in bytes."""

from collections.abc import Callable

import torch
from torch import Tensor


def kept_bytes(forward: Callable[[], object]) -> int:
    """Bytes that one forward pass keeps for its backward pass, each memory once; parameters are not among them."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, torch.nn.Parameter):
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = forward()
    del result
    return sum(kept.values())
