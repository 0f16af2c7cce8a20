"""The records in memory: what moves between loader, model and loss. B studies in a batch, D = embedding size.

A batch has one or two images and one or two texts of each study, as tuples of length 1 or 2: two of each is the
method, one of each is plain CLIP, and nothing downstream needs to know which (docs/decisions/0001).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import pad

from cxr_clip.errors import EvaluationError


@dataclass(frozen=True)
class Tokens:
    """Token ids of B texts padded to the longest of them; the mask is 1 on tokens and 0 on padding."""

    ids: Int[Tensor, "batch length"]
    mask: Int[Tensor, "batch length"]

    def to(self, device: str) -> "Tokens":
        """The same tokens on `device`."""
        return Tokens(ids=self.ids.to(device), mask=self.mask.to(device))


def joined(parts: Sequence[Tokens]) -> Tokens:
    """Return the texts of all parts as one batch, padded to a common length (zeros, hidden by the mask)."""
    length = max(part.ids.shape[1] for part in parts)

    def padded(values: Tensor) -> Tensor:
        return pad(values, (0, length - values.shape[1]))

    return Tokens(
        ids=torch.cat([padded(part.ids) for part in parts]), mask=torch.cat([padded(part.mask) for part in parts])
    )


@dataclass(frozen=True)
class HardNegatives:
    """Sentences of a batch's texts, each followed by one that says the contrary: of first texts, then of second ones.

    `there` is false where a study has none in that place; its tokens are those of an empty text.
    """

    texts: tuple[Tokens, ...]
    there: Bool[Tensor, "batch views"]


@dataclass(frozen=True)
class Batch:
    """What one training step sees: images are grey, 8-bit, one channel; row i of everything is study i."""

    images: tuple[UInt8[Tensor, "batch 1 height width"], ...]
    texts: tuple[Tokens, ...]
    study_ids: tuple[str, ...]
    hard_negatives: HardNegatives | None = None

    @property
    def every_text(self) -> tuple[Tokens, ...]:
        """The texts, then the hard negatives."""
        return self.texts if self.hard_negatives is None else (*self.texts, *self.hard_negatives.texts)


@dataclass(frozen=True)
class EmbeddedViews:
    """The unit-length embeddings of a batch: one or two of the images, one or two of the texts.

    Hard negatives are sentences of every first text, each followed by the turned one, then as many of every second
    text; where a study has none, zeros.
    """

    images: tuple[Float[Tensor, "batch dim"], ...]
    texts: tuple[Float[Tensor, "batch dim"], ...]
    hard_negatives: tuple[Float[Tensor, "batch dim"], ...] = ()

    @property
    def all(self) -> tuple[Float[Tensor, "batch dim"], ...]:
        """Images, texts and hard negatives, one after the other."""
        return (*self.images, *self.texts, *self.hard_negatives)

    def each(self, change: Callable[[Tensor], Tensor]) -> "EmbeddedViews":
        """The same views, `change` made of the embeddings of each."""
        parts = (self.images, self.texts, self.hard_negatives)
        return EmbeddedViews(*(tuple(map(change, part)) for part in parts))


@dataclass(frozen=True)
class LossTerms:
    """The contrastive terms before weighting.

    ICL (TCL) is absent where a batch has one image (one text), `hard_negative` where it has no hard negatives.
    """

    image_text: Float[Tensor, ""]
    image_image: Float[Tensor, ""] | None
    text_text: Float[Tensor, ""] | None
    hard_negative: Float[Tensor, ""] | None = None


def refuse_not_finite(numbers: Float[Tensor, "..."], what: str) -> None:
    """Raise EvaluationError where a number of `what` is not finite: a NaN would rank first, or score best."""
    if not bool(torch.isfinite(numbers).all()):
        raise EvaluationError(
            f"embeddings of the {what} hold values that are not finite: the model has diverged; "
            "evaluate an earlier checkpoint"
        )
