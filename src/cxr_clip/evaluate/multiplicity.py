"""p values of findings that are looked at together: Holm's against any false alarm, or the rate of false alarms."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Correction = Callable[[Sequence[float]], list[float]]


def holm(values: Sequence[float]) -> list[float]:
    """Return adjusted p values: below alpha, the chance of one false alarm or more is below alpha (Holm 1979)."""
    order = np.argsort(values, kind="stable")
    steps = np.asarray(values, dtype=np.float64)[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted.tolist()


def benjamini_hochberg(values: Sequence[float]) -> list[float]:
    """Return adjusted p values: below alpha, the expected share of false alarms among them is below alpha."""
    from scipy.stats import false_discovery_control

    adjusted: list[float] = false_discovery_control(np.asarray(values, dtype=np.float64)).tolist()
    return adjusted


CORRECTIONS: Mapping[str, Correction] = {"holm": holm, "benjamini-hochberg": benjamini_hochberg}
