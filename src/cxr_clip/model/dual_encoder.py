"""The dual encoder: pictures and texts into one space, where those of a study lie close together."""

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from cxr_clip.model.image_encoder import ImageEncoder
from cxr_clip.model.text_encoder import TextEncoder
from cxr_clip.tensors import Batch, EmbeddedViews, Tokens, joined


class DualEncoder(nn.Module):
    """An image encoder and a text encoder, a linear projection of each, and the learnable scale of the loss.

    `log_scale` has shape [1], as sharding over devices refuses parameters without a dimension. `buckets` is
    what the text encoder takes: it changes the time and not the result.
    """

    def __init__(
        self,
        image: ImageEncoder,
        text: TextEncoder,
        *,
        dim: int = 512,
        temperature: float = 0.07,
        max_scale: float = 100.0,
        buckets: int | None = None,
    ) -> None:
        super().__init__()
        self.image = image
        self.text = text
        self.image_projection = nn.Linear(image.feature_size, dim)
        self.text_projection = nn.Linear(text.feature_size, dim)
        self.log_scale = nn.Parameter(torch.tensor([-math.log(temperature)]))
        self.max_scale = max_scale
        self.buckets = buckets

    @property
    def scale(self) -> Float[Tensor, "1"]:
        """1/temperature, at most `max_scale`; at the limit its gradient still flows, so that it can come back."""
        excess = (self.log_scale - math.log(self.max_scale)).clamp(min=0).detach()
        return (self.log_scale - excess).exp()

    def embed_images(self, images: UInt8[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch dim"]:
        """Return the unit-length embedding of each 8-bit grey picture."""
        return self.project_images(self.image(images))

    def project_images(self, features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch dim"]:
        """Return the unit-length embedding of each feature of the image encoder."""
        return _unit_length(self.image_projection(features))

    def embed_texts(self, tokens: Tokens) -> Float[Tensor, "batch dim"]:
        """Return the unit-length embedding of each text."""
        return _unit_length(self.text_projection(self.text(tokens, buckets=self.buckets)))

    def forward(self, batch: Batch) -> EmbeddedViews:
        """Embed all pictures of the batch in one call of the image encoder, and all texts in one of the text encoder.

        While training, batch normalisation therefore takes its statistics over both pictures of every study.
        """
        images = self.embed_images(torch.cat(batch.images))
        count = len(batch.study_ids)
        texts = torch.split(self.embed_texts(joined(batch.every_text)), count)
        turned = len(batch.every_text) - len(batch.texts)
        own = len(texts) - turned
        return EmbeddedViews(images=torch.split(images, count), texts=texts[:own], hard_negatives=texts[own:])


def _unit_length(projected: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    precise = projected.to(torch.promote_types(projected.dtype, torch.float32))
    return nn.functional.normalize(precise, dim=1)
