"""Where the time of a training goes."""

import time
from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What a training spends its time on; `MODEL` is forward and backward, `DATA` is waiting for batches."""

    DATA = "data"
    MODEL = "model"
    OPTIMIZER = "optimizer"
    VALIDATION = "validation"
    CHECKPOINTS = "checkpoints"
    OTHER = "other"


@dataclass(frozen=True)
class TimeSpent:
    """Seconds by what they went into."""

    data: float = 0.0
    model: float = 0.0
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
        return self.data + self.model + self.optimizer


class Stopwatch:
    """Adds the time since the last call to one part, so that the parts sum up to all of it."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(Part, 0.0)
        self._mark = time.perf_counter()

    def lap(self, part: Part) -> None:
        """Say what the time since the last lap went into."""
        now = time.perf_counter()
        self._seconds[part] += now - self._mark
        self._mark = now

    @property
    def spent(self) -> TimeSpent:
        """The laps so far."""
        return TimeSpent(**{part.value: seconds for part, seconds in self._seconds.items()})
