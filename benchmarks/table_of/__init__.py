"""The tables of benchmarks: a module for each results file, called like it, that makes one table or several."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

Results = dict[str, Any]


def interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def over_seeds(values: Sequence[float]) -> dict[str, float]:
    """The mean of two seeds or more with its 95 % interval by Student's t: what other seeds may give."""
    assert len(values) > 1, "one seed does not tell how seeds vary"
    mean, count = float(np.mean(values)), len(values)
    reach = float(student.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return {"value": mean, "low": mean - reach, "high": mean + reach}


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
