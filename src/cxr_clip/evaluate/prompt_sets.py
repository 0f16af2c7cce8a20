"""One class of several, by prompt sets: an image is of the class whose prompts it is nearest to (CheXpert 5x200).

A class has a set of prompts of its own (severity, subtype and place in all combinations; GLoRIA, section 4.2). The
score of a class is the mean cosine over its set, or the best one, and the largest score decides. Sets differ in size
and spread, and nothing evens that out, as in the published evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassAccuracy:
    """The share of each class that is recognised, in their order; their mean, and the share of all images."""

    by_class: tuple[float, ...]
    macro: float
    micro: float


def mean_similarities(
    images: Float[Tensor, "studies dim"], prompt_sets: Sequence[Float[Tensor, "_prompts dim"]]
) -> Floats:
    """Return (studies, classes): the mean cosine with the prompts of each class, all embeddings of unit length."""
    means = torch.stack([prompts.double().mean(dim=0) for prompts in prompt_sets], dim=1)
    return np.asarray((images.double() @ means).numpy(force=True))


def best_similarities(
    images: Float[Tensor, "studies dim"], prompt_sets: Sequence[Float[Tensor, "_prompts dim"]]
) -> Floats:
    """Return (studies, classes): the largest cosine with a prompt of each class, all embeddings of unit length."""
    best = [(images.double() @ prompts.double().T).amax(dim=1) for prompts in prompt_sets]
    return np.asarray(torch.stack(best, dim=1).numpy(force=True))


def class_accuracy(scores: ArrayLike, classes: ArrayLike) -> ClassAccuracy:
    """Return how often the class with the largest score is the right one; `classes` are column numbers of `scores`.

    A class without an image has NaN, and so has the macro average then. The first of equal scores decides.
    """
    right = np.asarray(classes)
    found = np.asarray(scores).argmax(axis=1) == right
    shares = [float(found[right == one].mean()) if (right == one).any() else np.nan for one in range(_columns(scores))]
    return ClassAccuracy(by_class=tuple(shares), macro=float(np.mean(shares)), micro=float(found.mean()))


def _columns(scores: ArrayLike) -> int:
    return int(np.asarray(scores).shape[1])
