"""The tables of benchmarks: a module for each results file, called like it, that makes one table or several."""

from collections.abc import Sequence
from typing import Any

Results = dict[str, Any]


def interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
