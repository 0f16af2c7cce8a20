"""All that a continuation needs, in one file that is either whole or not there.

No random state is kept: order, draws and dropout depend on (seed, epoch, index) and (seed, step) alone.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from cxr_clip.errors import CheckpointError
from cxr_clip.train.averaging import Average


@dataclass(frozen=True)
class TrainState:
    """Where a training stands: `step` steps are done; the best validation so far, absent before the first.

    `seconds` went into learning and validation over all sessions. What a session that was killed did after its last
    checkpoint is not in it. It takes no part in comparisons: a continued run has the state of one never stopped.
    """

    step: int = 0
    best_value: float | None = None
    best_step: int | None = None
    seconds: float = field(default=0.0, compare=False)


def average_tensors(average: Average | None) -> dict[str, Tensor]:
    """The averaged weights, by the names of the state file; none where there is no average."""
    return {} if average is None else {f"average.{name}": value for name, value in average.state().items()}


def moment_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All that an optimiser remembers, by the names of the state file."""
    return {
        f"optimizer.{number}.{name}": torch.as_tensor(value)
        for number, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def state_tensors(weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state file, from the weights by their own names and `moment_tensors`."""
    return {f"model.{name}": value for name, value in weights.items()} | dict(moments)


def as_text(state: TrainState) -> str:
    """The counters as the state file holds them."""
    return json.dumps(asdict(state))


def load_state(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None = None
) -> TrainState:
    """Put a saved state into `model`, `optimizer` and `average`.

    Raises CheckpointError where it is broken or of another model.
    """
    weights: dict[str, Tensor] = {}
    averaged: dict[str, Tensor] = {}
    moments: dict[int, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            state = TrainState(**json.loads(file.metadata()["state"]))
            for key in file.keys():  # noqa: SIM118  # safe_open is no mapping
                kind, name = key.split(".", 1)
                if kind == "model":
                    weights[name] = file.get_tensor(key)
                elif kind == "average":
                    averaged[name] = file.get_tensor(key)
                else:
                    number, moment = name.split(".", 1)
                    moments.setdefault(int(number), {})[moment] = file.get_tensor(key).clone()
        model.load_state_dict(weights, strict=True)
        if average is not None:
            average.load(averaged)
        _check_shapes(moments, optimizer)
        optimizer.load_state_dict(
            {"state": _laid_out(moments, optimizer), "param_groups": optimizer.state_dict()["param_groups"]}
        )
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} cannot be continued from ({error}): delete it to start this run anew, or use another run folder"
        ) from error
    return state


def _laid_out(
    moments: Mapping[int, Mapping[str, Tensor]], optimizer: torch.optim.Optimizer
) -> dict[int, dict[str, Tensor]]:
    """Moments with the strides of their parameters: the fused step goes through the memory of both side by side."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return {
        number: {
            name: torch.empty_like(parameters[number], dtype=value.dtype, device="cpu").copy_(value)
            if value.ndim
            else value
            for name, value in values.items()
        }
        for number, values in moments.items()
    }


def _check_shapes(moments: Mapping[int, Mapping[str, Tensor]], optimizer: torch.optim.Optimizer) -> None:
    """Refuse moments of other parameters, which torch would take."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, values in moments.items():
        for name, value in values.items():
            if number >= len(parameters) or (value.ndim and value.shape != parameters[number].shape):
                raise ValueError(f"optimizer.{number}.{name} of shape {tuple(value.shape)} is of another model")
