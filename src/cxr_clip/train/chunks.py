"""A batch in chunks for the encoders, and the embeddings of its chunks in the order of the batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from cxr_clip.model.text_encoder import trimmed
from cxr_clip.tensors import Batch, EmbeddedViews, joined


@dataclass(frozen=True)
class Chunks:
    """The parts of a batch, each of them a batch to a dual encoder.

    A part has the images of consecutive studies, and texts of like length, whose studies may be others: texts that
    are encoded together are padded to the longest of them. `text_rows` says which row of all texts of the batch (all
    first ones, then all second ones, then hard negatives) each text of the parts is, in their order; `texts` of a
    study are no hard negatives.
    """

    parts: tuple[Batch, ...]
    text_rows: Int[Tensor, " texts"]
    texts: int

    def joined(self, embedded: Sequence[EmbeddedViews]) -> EmbeddedViews:
        """The embeddings of the batch from those of its parts."""
        images = tuple(torch.cat(views) for views in zip(*(part.images for part in embedded), strict=True))
        texts = torch.cat([text for part in embedded for text in part.texts])
        in_order = texts[self.text_rows.argsort().to(texts.device)]
        views = torch.split(in_order, len(images[0]))
        return EmbeddedViews(images=images, texts=views[: self.texts], hard_negatives=views[self.texts :])


def in_chunks(batch: Batch, count: int) -> Chunks:
    """Split a batch into `count` chunks of about equal size, at most one for each study."""
    studies = len(batch.study_ids)
    count = min(count, studies)
    texts = joined(batch.every_text)
    order = texts.mask.sum(dim=1).argsort(stable=True)
    rows = torch.arange(studies).tensor_split(count)
    text_rows = torch.split(order, [len(batch.every_text) * len(own) for own in rows])
    parts = tuple(
        Batch(
            images=tuple(view[own[0] : own[-1] + 1] for view in batch.images),
            texts=(trimmed(texts, some),),
            study_ids=batch.study_ids[own[0] : own[-1] + 1],
        )
        for own, some in zip(rows, text_rows, strict=True)
    )
    return Chunks(parts, order, len(batch.texts))
