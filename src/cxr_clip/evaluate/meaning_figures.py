"""Whether cosines with sentences follow their meaning: present against absent, doubt between them, sides, grades.

Entry 0 of what is drawn stands for all studies, the others for the resamples; `weights` has a row for each of them.
Cosines closer than TIE are equal.
"""

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy import ndarray

from cxr_clip.evaluate.agreement import spearman
from cxr_clip.metrics import divide

TIE = 1e-6

Cosines = Float[ndarray, "studies forms"]
Weights = Shaped[ndarray, "draws studies"]
Draws = Float[ndarray, "draws"]


def nearer(one: Cosines, other: Cosines) -> Float[ndarray, "studies"]:
    """The share of forms in which a study is nearer to the one than to the other; a tie is half."""
    return np.asarray(_above(one, other).mean(axis=1))


def in_order(first: Cosines, second: Cosines, third: Cosines) -> Float[ndarray, "studies"]:
    """The share of forms in which a study is nearest to the first and farthest from the third.

    Ties count as chance has it: a half for two that are equal, a sixth for three.
    """
    tied = [np.abs(one - other) < TIE for one, other in ((first, second), (second, third), (first, third))]
    kept = ((first > second) | tied[0]) & ((second > third) | tied[1]) & ((first > third) | tied[2])
    orders = np.where(tied[0] & tied[1], 6, np.where(tied[0] | tied[1], 2, 1))
    return np.asarray((kept / orders).mean(axis=1))


def share(right: Float[ndarray, "studies"], chosen: Bool[ndarray, "studies"], weights: Weights) -> Draws:
    """The mean over the chosen studies in each draw; NaN where none of them was drawn."""
    drawn = weights[:, chosen].astype(np.float64)
    return divide(drawn @ right[chosen], drawn.sum(axis=1))


def balanced(right: Float[ndarray, "studies"], positive: Bool[ndarray, "studies"], weights: Weights) -> Draws:
    """The mean of both classes' shares, so that always giving one answer is worth a half."""
    return np.asarray(share(right, positive, weights) + share(right, ~positive, weights)) / 2


def rank_correlation(least: Cosines, most: Cosines, grades: Shaped[ndarray, "studies"], weights: Weights) -> Draws:
    """Spearman of the grade with how much nearer a study is to the sentences of much than to those of little."""
    lean = np.round((most - least).mean(axis=1) / TIE) * TIE
    return spearman(lean, grades.astype(np.float64), weights)


def text_figures(
    present: Float[ndarray, "forms dim"], absent: Float[ndarray, "forms dim"], others: Float[ndarray, "sentences dim"]
) -> tuple[float, float, float]:
    """Mean cosine of a sentence with its denial, with other words for the same, and how often these are the nearer."""
    denials = (present * absent).sum(axis=1, keepdims=True)
    paraphrases = present @ others.T
    return float(denials.mean()), float(paraphrases.mean()), float(_above(paraphrases, denials).mean())


def _above(one: Float[ndarray, "..."], other: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    difference = one - other
    return np.where(np.abs(difference) < TIE, 0.5, difference > 0)
