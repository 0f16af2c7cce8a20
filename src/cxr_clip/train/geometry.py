"""How embeddings lie on the sphere: what tells collapse, gaps between modalities, and which loss term pulls hardest.

Everything is a function of the unit-length embeddings of one batch. Alignment and uniformity are those of Wang and
Isola (2020), the effective rank that of Roy and Vetterli (2007), the gap between centroids that of Liang et al. (2022).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cxr_clip.losses import LossWeights, study_contrast
from cxr_clip.tensors import EmbeddedViews, LossTerms


@dataclass(frozen=True)
class Pull:
    """The norm of each weighted term's gradient on the embeddings of one modality; a term that is absent pulls 0."""

    image_text: float
    image_image: float
    text_text: float

    @property
    def own_share(self) -> float:
        """The share of the terms that stay within the modality (ICL on images, TCL on texts); 0 where nothing pulls."""
        own = self.image_image + self.text_text
        return own / total if (total := own + self.image_text) > 0 else 0.0


def mean_cosine(x: Float[Tensor, "batch dim"]) -> float:
    """Return the mean cosine of two different rows: 1 where all are one point, about 0 where they are spread."""
    count = len(x)
    return float((x.sum(dim=0).square().sum() - count) / (count * (count - 1)))


def effective_rank(x: Float[Tensor, "batch dim"]) -> float:
    """Return how many directions the rows use, 1 to min(batch, dim): exp of the entropy of the singular values."""
    shares = torch.linalg.svdvals(x)
    shares = shares / shares.sum()
    return float(torch.special.entr(shares).sum().exp())


def alignment(x: Float[Tensor, "batch dim"], y: Float[Tensor, "batch dim"]) -> float:
    """Return the mean squared distance of rows that belong together: 0 is perfect, 2 is chance."""
    return float((x - y).square().sum(dim=1).mean())


def uniformity(x: Float[Tensor, "batch dim"]) -> float:
    """Return log mean exp(-2 d²) over different rows: 0 where all are one point, about -4 where they are spread."""
    count = len(x)
    products = 2.0 * (x @ x.T) - 2.0  # minus the squared distance
    apart = (2.0 * products).exp().sum() - count
    return float((apart / (count * (count - 1))).clamp(min=1e-12).log())


def centroid_gap(x: Float[Tensor, "batch dim"], y: Float[Tensor, "batch dim"]) -> float:
    """Return the distance between the means of two clouds on the sphere: 0 where they lie on each other, at most 2."""
    return float((x.mean(dim=0) - y.mean(dim=0)).norm())


def pulls(views: EmbeddedViews, scale: Float[Tensor, "*one"], weights: LossWeights) -> tuple[Pull, Pull]:
    """Return how hard each term of the loss pulls at the images and at the texts.

    Only the part of a gradient along the sphere counts: the encoders never see the part along an embedding itself.
    """
    leaves = views.each(lambda view: view.detach().requires_grad_())
    with torch.enable_grad():
        terms = study_contrast(leaves, scale.detach())
    names = ("image_text", "image_image", "text_text")
    norms = [_norms(terms, name, getattr(weights, name), leaves) for name in names]
    return Pull(*(norm[0] for norm in norms)), Pull(*(norm[1] for norm in norms))


def _norms(terms: LossTerms, name: str, weight: float, leaves: EmbeddedViews) -> tuple[float, float]:
    """The norms of one term's gradient along the sphere, on all images and on all texts."""
    term: Tensor | None = getattr(terms, name)
    if term is None or weight == 0:
        return 0.0, 0.0
    everything = (*leaves.images, *leaves.texts)
    gradients = torch.autograd.grad(term, everything, retain_graph=True, allow_unused=True)
    along = [_along_sphere(x, gradient) for x, gradient in zip(everything, gradients, strict=True)]
    images = len(leaves.images)
    return weight * _norm(along[:images]), weight * _norm(along[images:])


def _along_sphere(x: Tensor, gradient: Tensor | None) -> Tensor:
    x = x.detach()
    return torch.zeros_like(x) if gradient is None else gradient - (gradient * x).sum(dim=1, keepdim=True) * x


def _norm(gradients: Sequence[Tensor]) -> float:
    return float(torch.stack([gradient.norm() for gradient in gradients]).norm())
