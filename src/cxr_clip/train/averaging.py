"""The exponential moving average of the weights: what is validated and kept, while the weights themselves go on.

After step t the average moves to the weights by the share 1 - min(decay, (1 + t) / (10 + t)): the first weights, which
know nothing, are soon forgotten, and a short run is not an average of its beginning. Running statistics are averaged by
the same share, so that they belong to the averaged weights; counters are copied.

Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging".
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The average of all that moves in a model: weights that train, and buffers. In the weights' own precision.

    Raises ValueError where a state that is put into it is of another model.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._values = {name: value.clone() for name, value in _moving(model).items()}

    def follow(self, model: nn.Module, step: int) -> None:
        """Move to the weights of `model` after `step` steps (from 1)."""
        share = 1.0 - min(self.decay, (1 + step) / (10 + step))
        now = _moving(model)
        numbers = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self._values[name] for name in numbers], [now[name] for name in numbers], share)
        for name in now.keys() - set(numbers):
            self._values[name].copy_(now[name])

    @contextmanager
    def in_place(self, model: nn.Module) -> Iterator[None]:
        """Within it `model` has the averaged weights, and the average those of the model: no second copy is needed."""
        self._exchange(model)
        try:
            yield
        finally:
            self._exchange(model)

    def state(self) -> dict[str, Tensor]:
        """The averaged tensors by the names of the model."""
        return dict(self._values)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Continue from averaged tensors of the same model."""
        if values.keys() != self._values.keys():
            names = sorted(values.keys() ^ self._values.keys())
            raise ValueError(f"the averaged weights are of another model ({', '.join(names[:5])})")
        for name, value in values.items():
            if value.shape != self._values[name].shape:
                raise ValueError(f"the averaged {name} has shape {tuple(value.shape)}")
            self._values[name].copy_(value)

    def _exchange(self, model: nn.Module) -> None:
        for name, value in _moving(model).items():
            held = value.clone()
            value.copy_(self._values[name])
            self._values[name].copy_(held)


def _moving(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model's state, weights that do not train left out."""
    still = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in still}
