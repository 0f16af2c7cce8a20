"""Checkpoints that no step waits for: copied at once, written by a thread while the training goes on.

The copy takes as much memory of the host as the weights and the optimiser's moments (three times the weights for AdamW)
and is taken into the same place every time. At most one is being written: the next one waits for it. Best weights go to
the disk before the state that knows of them, and the log before both, so that a kill at any moment leaves files that
belong together.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from cxr_clip.background import Background
from cxr_clip.errors import TrainingError
from cxr_clip.model.lora import is_adapted, plain_weights
from cxr_clip.tensor_files import write_tensors
from cxr_clip.train.averaging import Average
from cxr_clip.train.state import TrainState, as_text, average_tensors, moment_tensors, state_tensors


class Copies:
    """Memory of the host for one copy of a training's tensors, used again for the next one."""

    def __init__(self) -> None:
        self._places: dict[str, Tensor] = {}

    def take(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copy tensors, from whatever device; the copies of the same names before are overwritten."""
        for name, tensor in tensors.items():
            place = self._places.get(name)
            if place is None or (place.shape, place.dtype) != (tensor.shape, tensor.dtype):
                # A GPU copies into pinned memory several times faster.
                place = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
                self._places[name] = place
            place.copy_(tensor.detach(), non_blocking=tensor.is_cuda)
        if any(tensor.is_cuda for tensor in tensors.values()):
            torch.cuda.current_stream().synchronize()
        return {name: self._places[name] for name in tensors}


class Keeper:
    """Writes `resume` and `weights` in the background; a context manager that leaves nothing half written behind.

    `first` is called by the thread before it writes: what must be on the disk before.
    """

    def __init__(self, resume: Path, weights: Path, *, first: Callable[[], None]) -> None:
        self._resume = resume
        self._weights = weights
        self._first = first
        self._copies = Copies()
        self._background = Background()

    def __enter__(self) -> Self:
        self._background.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.__exit__(kind, error, trace)

    def check(self) -> None:
        """Raise TrainingError where a checkpoint could not be written."""
        self._background.check()

    def wait(self) -> None:
        """Return when all is on the disk. Raises TrainingError where it could not be written."""
        self._background.wait()

    def keep(
        self,
        state: TrainState,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: Average | None = None,
        *,
        best: bool,
        resumable: bool,
    ) -> None:
        """Keep the weights as the best (`best`), all that a continuation needs (`resumable`), both or nothing.

        The best weights are those of the average if there is one, with adapters merged; a continuation has all of it.
        """
        if not best and not resumable:
            return
        self._background.wait()
        weights = self._copies.take(model.state_dict())
        to_use = self._to_use(model, average, weights) if best else {}
        moments = self._copies.take(moment_tensors(optimizer) | average_tensors(average)) if resumable else {}
        resume = state_tensors(weights, moments) if resumable else {}
        self._background.submit(partial(self._write, state, to_use, resume))

    def _to_use(self, model: nn.Module, average: Average | None, own: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if average is None and not is_adapted(model):
            return own
        with nullcontext() if average is None else average.in_place(model):
            copies = self._copies.take({f"use.{name}": value for name, value in plain_weights(model).items()})
        return {name.removeprefix("use."): value for name, value in copies.items()}

    def _write(self, state: TrainState, to_use: Mapping[str, Tensor], resume: Mapping[str, Tensor]) -> None:
        self._first()
        try:
            if to_use:
                write_tensors(self._weights, to_use, {"format": "pt"})
            if resume:
                write_tensors(self._resume, resume, {"state": as_text(state)})
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"the checkpoint of step {state.step} cannot be written into {self._resume.parent} ({error}): make "
                "room there, or mend its permissions, and give the same command again: it continues from the last one"
            ) from error
