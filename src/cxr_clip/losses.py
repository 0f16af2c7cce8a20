"""The contrastive losses between two images and two texts of each study: InfoNCE over every pair of views.

For unit-length embeddings x, y of B studies and a scale s = 1/temperature, InfoNCE(x, y) is the mean of the two
cross-entropies of s x yᵀ, by rows and by columns, against the diagonal. The image-text term (MVS) is its mean over
all image x text pairs, ICL is InfoNCE of the two images and TCL InfoNCE of the two texts (CXR-CLIP, section 2.2;
with one image and one text it is CLIP). Everything here is a function of its arguments: nothing knows of workers.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cxr_clip.tensors import EmbeddedViews, LossTerms
from cxr_clip.tiles import info_nce_by_tiles

# Beyond so many studies tiles take less time than the whole matrix (benchmarks/loss.py), and far less memory.
WHOLE = 1024


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts in the total; the defaults are the paper's (λ_I = 1.0, λ_T = 0.5).

    `hard_negative` is none of the paper's, and of no account without hard negatives.
    """

    image_text: float = 1.0
    image_image: float = 1.0
    text_text: float = 0.5
    hard_negative: float = 1.0


def info_nce(
    x: Float[Tensor, "batch dim"],
    y: Float[Tensor, "batch dim"],
    scale: Float[Tensor, "*one"],
    *,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Return the symmetric InfoNCE loss of unit-length embeddings whose rows belong together.

    `scale` is 1/temperature, of shape [] or [1]. Half-precision embeddings are taken to float32 first, also under
    autocast: similarities times 100 do not survive eight bits of mantissa. More than `WHOLE` studies are compared by
    tiles, to the same value within rounding.
    """
    form = info_nce_by_tiles if len(x) > WHOLE else info_nce_at_once
    with torch.autocast(device_type=x.device.type, enabled=False):
        return form(_at_least_float32(x), _at_least_float32(y), scale, label_smoothing=label_smoothing)


def info_nce_at_once(
    x: Float[Tensor, "batch dim"],
    y: Float[Tensor, "batch dim"],
    scale: Float[Tensor, "*one"],
    *,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Return InfoNCE by its definition, of float32 or float64 embeddings, with the whole matrix in memory."""
    similarities = scale * (x @ y.T)
    diagonal = torch.arange(len(x), device=x.device)
    by_rows = functional.cross_entropy(similarities, diagonal, label_smoothing=label_smoothing)
    by_columns = functional.cross_entropy(similarities.T, diagonal, label_smoothing=label_smoothing)
    return (by_rows + by_columns) / 2


def statement_contrast(
    images: Float[Tensor, "pairs dim"],
    stated: Float[Tensor, "pairs dim"],
    turned: Float[Tensor, "pairs dim"],
    scale: Float[Tensor, "*one"],
) -> Float[Tensor, ""]:
    """Return the cross-entropy of sentences against turned ones, each given an image.

    Rows of zeros stand where there is no pair; the mean is over the pairs that are there, and 0 without any. In NegCLIP
    (Yuksekgonul et al. 2023) hard negatives join the softmax over the batch, where their part falls with the number of
    studies; here it does not.
    """
    with torch.autocast(device_type=images.device.type, enabled=False):
        v, true, false = (_at_least_float32(one) for one in (images, stated, turned))
        losses = functional.softplus(scale * (v * (false - true)).sum(dim=1))
        there = (false != 0).any(dim=1)
        return (losses * there).sum() / there.sum().clamp(min=1)


def study_contrast(views: EmbeddedViews, scale: Float[Tensor, "*one"], *, label_smoothing: float = 0.0) -> LossTerms:
    """Return the terms of a batch: images with texts, images with images, texts with texts, images with hard negatives.

    A term between two images (two texts) is absent where the batch has one. `label_smoothing` acts on the image-text
    term only, as in the paper's published code; pass 0 when validating. Without hard negatives their term is absent.
    """
    pairs = [
        info_nce(image, text, scale, label_smoothing=label_smoothing) for image in views.images for text in views.texts
    ]
    return LossTerms(
        image_text=torch.stack(pairs).mean(),
        image_image=info_nce(*views.images, scale) if len(views.images) == 2 else None,
        text_text=info_nce(*views.texts, scale) if len(views.texts) == 2 else None,
        hard_negative=_hard_negative_term(views, scale) if views.hard_negatives else None,
    )


def _hard_negative_term(views: EmbeddedViews, scale: Float[Tensor, "*one"]) -> Float[Tensor, ""]:
    """The mean over all pairs of the batch and the images of their studies."""
    stated, turned = (torch.cat(views.hard_negatives[start::2]) for start in (0, 1))
    places = len(views.hard_negatives) // 2
    of_images = torch.stack([statement_contrast(one.repeat(places, 1), stated, turned, scale) for one in views.images])
    return of_images.mean()


def weighted_sum(terms: LossTerms, weights: LossWeights) -> Float[Tensor, ""]:
    """Return the total loss; a term that is absent adds nothing."""
    total = weights.image_text * terms.image_text
    if terms.image_image is not None:
        total = total + weights.image_image * terms.image_image
    if terms.text_text is not None:
        total = total + weights.text_text * terms.text_text
    if terms.hard_negative is not None:
        total = total + weights.hard_negative * terms.hard_negative
    return total


def _at_least_float32(x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    return x.to(torch.promote_types(x.dtype, torch.float32))
