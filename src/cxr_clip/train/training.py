"""The objects of one training, and when things happen in it."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn

from cxr_clip.distributed import SINGLE, Workers
from cxr_clip.losses import LossWeights
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.tensors import Batch
from cxr_clip.train.averaging import Average
from cxr_clip.train.validation import Validation, by_recall
from cxr_clip.train.zero_shot import Question


@dataclass(frozen=True)
class Pace:
    """When things happen, in steps; `clip_norm` absent: gradients are not clipped."""

    total_steps: int
    steps_per_epoch: int
    validate_steps: int
    checkpoint_steps: int
    log_steps: int
    clip_norm: float | None = None

    def due(self, step: int, every: int) -> bool:
        """Whether something that happens `every` so many steps, and at the end, happens after `step` steps."""
        return step % every == 0 or step == self.total_steps


@dataclass(frozen=True)
class Training:
    """The objects of one training; `batches_from(step)` gives this worker's batches of all steps from there on.

    `replica` is the model as `distributed.replicate` gives it, absent where there is one worker. `questions` are
    what validation asks without training on labels, about its studies in their order. `average` follows the weights
    where it is asked for. `best_by` gives what the best checkpoint has the most of. `chunks`: in how many parts a batch
    goes through the encoders (train/cached_gradient.py), on all workers alike.
    `monitored`: figures of the batch are logged, and signatures of failure in words (train/monitor.py).
    """

    model: DualEncoder
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[int], float]
    weights: LossWeights
    batches_from: Callable[[int], Iterable[Batch]]
    validation_batches: Callable[[], Iterable[Batch]] | None
    pace: Pace
    seed: int
    bf16: bool = False
    device: str = "cpu"
    workers: Workers = SINGLE
    replica: nn.Module | None = None
    questions: tuple[Question, ...] = ()
    average: Average | None = None
    best_by: Callable[[Validation], float] = by_recall
    chunks: int = 1
    monitored: bool = True

    @property
    def learner(self) -> nn.Module:
        """What a step calls: the model itself, or with several workers its replica."""
        return self.model if self.replica is None else self.replica

    def to_keep(self) -> AbstractContextManager[None]:
        """Within it the model has the weights that are validated and kept: the average, or its own without one."""
        return nullcontext() if self.average is None else self.average.in_place(self.model)

    @property
    def autocast(self) -> torch.autocast:
        """Half precision for the encoders where it is asked for; weights and losses stay in single precision."""
        return torch.autocast(torch.device(self.device).type, torch.bfloat16, enabled=self.bf16)
