"""Where the time of a training goes.

On a CPU a lap is the time between two readings of the clock. A GPU works behind the program that drives it, so that
such laps would charge everything to whoever waits first; there each lap is an event in the GPU's own stream of work and
its time that between two events. Nothing waits for the GPU until the laps are asked for, at the steps that are logged,
and waiting for data counts where the GPU ran dry, not where it still had work.
"""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import torch


class Part(StrEnum):
    """What a training spends its time on.

    `DATA` is waiting for batches, `ENCODERS` forward and backward of both encoders, `LOSS` the gathering of embeddings,
    the loss and its gradient on them, `OPTIMIZER` clipping and the step of the weights, `CHECKPOINTS` the copy that is
    taken and what is waited for an earlier one to be written, `OTHER` mostly the log.
    """

    DATA = "data"
    ENCODERS = "encoders"
    LOSS = "loss"
    OPTIMIZER = "optimizer"
    VALIDATION = "validation"
    CHECKPOINTS = "checkpoints"
    OTHER = "other"


@dataclass(frozen=True)
class TimeSpent:
    """Seconds by what they went into."""

    data: float = 0.0
    encoders: float = 0.0
    loss: float = 0.0
    optimizer: float = 0.0
    validation: float = 0.0
    checkpoints: float = 0.0
    other: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.learning + self.validation + self.checkpoints + self.other

    @property
    def learning(self) -> float:
        """What the training steps themselves took."""
        return self.data + self.encoders + self.loss + self.optimizer


class Clock(Protocol):
    """What laps are taken with."""

    def mark(self) -> Any:
        """Mark now."""
        ...

    def seconds(self, earlier: Any, later: Any) -> float:
        """Return the seconds between two marks."""
        ...


class HostClock:
    """The time of the program itself."""

    def mark(self) -> float:
        """Read the clock."""
        return time.perf_counter()

    def seconds(self, earlier: float, later: float) -> float:
        """Return the difference."""
        return later - earlier


class StreamClock:
    """The time of a GPU's own stream of work; reading it waits until the GPU has come to the later mark."""

    def mark(self) -> torch.cuda.Event:
        """Put an event behind the work that the GPU has been given so far."""
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def seconds(self, earlier: torch.cuda.Event, later: torch.cuda.Event) -> float:
        """Return the time between two events, of which torch tells milliseconds."""
        later.synchronize()
        return float(earlier.elapsed_time(later)) / 1000


def clock_of(device: str) -> Clock:
    """The clock that tells the truth about work on `device`."""
    return StreamClock() if torch.device(device).type == "cuda" else HostClock()


class Stopwatch:
    """Adds the time since the last call to one part, so that the parts sum up to all of it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or HostClock()
        self._seconds = dict.fromkeys(Part, 0.0)
        self._last = self._clock.mark()
        self._laps: list[tuple[Part, Any]] = []

    def lap(self, part: Part) -> None:
        """Say what the time since the last lap went into."""
        self._laps.append((part, self._clock.mark()))

    @property
    def spent(self) -> TimeSpent:
        """The laps so far; on a GPU this waits for it."""
        for part, mark in self._laps:
            self._seconds[part] += self._clock.seconds(self._last, mark)
            self._last = mark
        self._laps.clear()
        return TimeSpent(**{part.value: seconds for part, seconds in self._seconds.items()})
