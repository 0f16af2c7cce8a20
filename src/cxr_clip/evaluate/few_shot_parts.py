"""The training, validation and test studies of a few-shot benchmark, and what they say of its findings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.evaluate.subsets import NEGATIVE, POSITIVE, UNKNOWN
from cxr_clip.metrics import auroc
from cxr_clip.model.image_encoder import ImageEncoder
from cxr_clip.study import Certainty, Split, Study

Labels = NDArray[np.int8]
Scores = NDArray[np.float64]
Settings = Mapping[str, float]
# What a learner made of some rows of the training studies, with a seed: the scores of the test studies, by finding.
Learn = Callable[[NDArray[np.int64], int], Scores]
_VALUES = {Certainty.POSITIVE: POSITIVE, Certainty.NEGATIVE: NEGATIVE}


@runtime_checkable
class ImageModel(Protocol):
    """A model whose image encoder can be used by itself."""

    device: str

    def square(self, picture: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "size size"]:
        """A picture as the model sees it."""
        ...

    def features(self, squares: Sequence[UInt8[np.ndarray, "size size"]]) -> Float[Tensor, "count features"]:
        """The features of such pictures, before the projection, on the model's device."""
        ...

    def image_encoder(self) -> ImageEncoder:
        """A copy of the image encoder, to train."""
        ...


@dataclass(frozen=True, eq=False)
class Part:
    """The studies of one split and their labels, (studies, findings)."""

    studies: Sequence[Study]
    labels: Labels


@dataclass(frozen=True, eq=False)
class Parts:
    """What is learned from, chosen by, and measured on."""

    train: Part
    validate: Part
    test: Part


def divide(studies: Sequence[Study], findings: Sequence[str]) -> Parts:
    """Put the studies of a data set into their parts."""
    return Parts(*(_part([one for one in studies if one.split is split], findings) for split in Split))


def taught(part: Part, *, at_least: int) -> NDArray[np.bool_]:
    """Which findings have so many positive and negative studies in a part."""
    negative, positive = ((part.labels == value).sum(axis=0) for value in (NEGATIVE, POSITIVE))
    return np.asarray(np.minimum(negative, positive) >= at_least)


def macro_auroc(scores: Scores, labels: Labels) -> float:
    """The mean AUROC of the findings that have both classes; NaN where none has."""
    areas = [
        auroc(scores[known, number], labels[known, number] == POSITIVE)
        for number in range(labels.shape[1])
        if (known := labels[:, number] != UNKNOWN).any()
    ]
    finite = [area for area in areas if np.isfinite(area)]
    return float(np.mean(finite)) if finite else float("nan")


def _part(studies: Sequence[Study], findings: Sequence[str]) -> Part:
    rows = [[_value(study.findings.get(finding)) for finding in findings] for study in studies]
    return Part(studies, np.asarray(rows, dtype=np.int8).reshape(len(studies), len(findings)))


def _value(certainty: Certainty | None) -> int:
    return UNKNOWN if certainty is None else _VALUES.get(certainty, UNKNOWN)
