"""A finding as a direction in the space of embeddings: from its negative prompts to its positive ones.

The score of an image is its cosine with the positive prompt minus its cosine with the negative one. The softmax of the
pair at any temperature rises with that difference, so AUROC and average precision are those of the softmax, without
its rounding to 0 and 1.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cxr_clip.tensors import refuse_not_finite

BLOCK = 1024


@dataclass(frozen=True)
class Direction:
    """The unit-length embeddings of the two sides of a finding's prompts."""

    positive: Float[Tensor, "dim"]
    negative: Float[Tensor, "dim"]


def prompt_embedding(embeddings: Float[Tensor, "prompts dim"]) -> Float[Tensor, "dim"]:
    """Return the ensemble of several unit-length prompts: their mean, brought back to unit length."""
    return functional.normalize(embeddings.detach().float().mean(dim=0), dim=0)


def direction_between(positive: Float[Tensor, "prompts dim"], negative: Float[Tensor, "others dim"]) -> Direction:
    """Return the direction from the ensemble of some prompts to that of others."""
    return Direction(prompt_embedding(positive), prompt_embedding(negative))


def pair_scores(images: Float[Tensor, "studies dim"], direction: Direction) -> NDArray[np.float64]:
    """Return the cosine with the positive prompt minus that with the negative prompt, for each image.

    Raises EvaluationError where an embedding is not finite: a NaN would sort above every score.
    """
    difference = (direction.positive.double() - direction.negative.double()).to(images.device)
    # In blocks, so that no second copy of all images in double precision is made.
    blocks = (images[start : start + BLOCK].double() @ difference for start in range(0, len(images), BLOCK))
    scores = torch.cat([torch.empty(0, dtype=torch.float64), *(block.cpu() for block in blocks)])
    refuse_not_finite(scores, "images or prompts")
    return np.asarray(scores.numpy())
