"""Yes-or-no answers about one finding: how many are right, and how precise and complete the yeses are together."""

import numpy as np
from numpy.typing import ArrayLike


def accuracy(answers: ArrayLike, labels: ArrayLike) -> float:
    """Return the share of right answers."""
    return float(np.mean(np.asarray(answers, dtype=bool) == np.asarray(labels, dtype=bool)))


def f1(answers: ArrayLike, labels: ArrayLike) -> float:
    """Return the harmonic mean of precision and recall, 0 where neither is said nor true anywhere."""
    said, true = np.asarray(answers, dtype=bool), np.asarray(labels, dtype=bool)
    total = int(said.sum()) + int(true.sum())
    return 2 * int((said & true).sum()) / total if total else 0.0
