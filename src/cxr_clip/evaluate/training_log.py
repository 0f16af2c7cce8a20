"""The curves of a run from its metrics.jsonl: losses, scale and what validation measured, by step."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxr_clip.evaluate.plots import Series

LOSSES = {
    "loss": "total",
    "image_text": "image–text",
    "image_image": "image–image",
    "text_text": "text–text",
    "hard_negative": "hard negatives",
}
RECALL = "recall_at_"
NOT_MEASURED = {"step", "epoch", "kind", "studies", "texts"}
LABELS = {"auroc": "zero-shot AUROC"}
POINTS = 250

Line = Mapping[str, object]


@dataclass(frozen=True)
class LoggedWarning:
    """A signature of failure that the monitor of the training named, with what it said to try."""

    epoch: float
    says: str
    advice: str


@dataclass(frozen=True)
class TrainingCurves:
    """What can be told of a run; `unreadable` counts lines that are not JSON records, such as one cut by a stop."""

    losses: tuple[Series, ...]
    scale: Series | None
    recalls: tuple[Series, ...]
    validation: tuple[Series, ...]
    unreadable: int
    warnings: tuple[LoggedWarning, ...] = ()

    @property
    def validated(self) -> bool:
        """Whether the run was validated, so that its weights are the best by validation."""
        return bool(self.recalls or self.validation)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not (self.losses or self.scale or self.validated)


NO_CURVES = TrainingCurves(losses=(), scale=None, recalls=(), validation=(), unreadable=0)


def read_training_log(path: Path) -> TrainingCurves:
    """Read the curves of a run, of which there are none where the log is absent.

    Of a step that was logged twice (a run that was continued) the later line counts.
    """
    if not path.is_file():
        return NO_CURVES
    lines, unreadable = _parse(path.read_text(encoding="utf-8", errors="replace").splitlines())
    train, validate = _by_step(lines, "train"), _by_step(lines, "validate")
    losses = (_series(train, key, label) for key, label in LOSSES.items())
    names = dict.fromkeys(key for line in validate.values() for key in line if key not in NOT_MEASURED)
    recalls = (_series(validate, name, f"R@{name.removeprefix(RECALL)}") for name in names if name.startswith(RECALL))
    others = (
        _series(validate, name, LABELS.get(name, name.replace("_", " ")))
        for name in names
        if not name.startswith(RECALL)
    )
    return TrainingCurves(
        losses=_drawable(losses),
        scale=_series(train, "scale", "scale"),
        recalls=_drawable(recalls),
        validation=_drawable(others),
        unreadable=unreadable,
        warnings=_warnings(lines),
    )


def _warnings(lines: Iterable[Line]) -> tuple[LoggedWarning, ...]:
    """The warnings of a run, in the order of their lines."""
    return tuple(
        LoggedWarning(_number(line.get("epoch")) or 0.0, str(line["says"]), str(line["advice"]))
        for line in lines
        if line.get("kind") == "warning" and "says" in line and "advice" in line
    )


def _parse(lines: Iterable[str]) -> tuple[Sequence[Line], int]:
    """Parse the lines that are JSON objects with a whole step, and count the others."""
    parsed: list[Line] = []
    unreadable = 0
    for text in filter(str.strip, lines):
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            line = None
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            parsed.append(line)
        else:
            unreadable += 1
    return parsed, unreadable


def _by_step(lines: Iterable[Line], kind: str) -> Mapping[int, Line]:
    """Index the lines of one kind by step, in order of step."""
    chosen = {int(str(line["step"])): line for line in lines if line.get("kind") == kind}
    return dict(sorted(chosen.items()))


def _series(lines: Mapping[int, Line], key: str, label: str) -> Series | None:
    """Take one figure over the steps, in at most POINTS means of neighbours; absent where it was never a number."""
    points = [(step, value) for step, line in lines.items() if (value := _number(line.get(key))) is not None]
    if not points:
        return None
    groups = np.array_split(np.asarray(points, dtype=np.float64), min(POINTS, len(points)))
    means = np.stack([group.mean(axis=0) for group in groups])
    return Series(label=label, x=means[:, 0].tolist(), y=means[:, 1].tolist())


def _number(value: object) -> float | None:
    """Return a finite number, else nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return None
    return float(value)


def _drawable(lines: Iterable[Series | None]) -> tuple[Series, ...]:
    """Return the lines that are there."""
    return tuple(line for line in lines if line is not None)
