"""How much one request, and all of them together, may ask for."""

import os
from dataclasses import dataclass, field
from math import isfinite

from cxr_clip.errors import ServeError


@dataclass(frozen=True)
class Limits:
    """Everything that is bounded, each by a whole number but the seconds.

    `requests` may be in work or waiting at once, and hold `held_bytes` of uploads together; `batch` images go through
    the encoder together, and the first waits `wait` seconds at most for others; `threads` read pictures.
    """

    file_bytes: int = 32 << 20
    files: int = 8
    pixels: int = 40_000_000
    texts: int = 64
    text_characters: int = 2000
    results: int = 100
    seconds: float = 60.0
    requests: int = 64
    held_bytes: int = 1 << 30
    batch: int = 32
    wait: float = 0.004
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isfinite(value) or (value <= 0 and not (name == "wait" and value == 0)):
                raise ServeError(f"the limit {name} is {value}: give a number above 0")

    @property
    def field_bytes(self) -> int:
        """The most that the text fields of a request may take, each character escaped in JSON."""
        return self.texts * (6 * self.text_characters + 64)

    @property
    def body_bytes(self) -> int:
        """The most that a request may take, with the lines between its parts."""
        return self.files * self.file_bytes + self.field_bytes + (1 << 20)
