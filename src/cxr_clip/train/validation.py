"""What a validation says: the loss and image-to-text retrieval on studies that are not learned from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
import torch

from cxr_clip.distributed import SINGLE, Workers, gather_objects
from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.ranking import merge_identical, recall_at, target_ranks
from cxr_clip.tensors import Batch, EmbeddedViews, HardNegatives
from cxr_clip.train.chunks import in_chunks
from cxr_clip.train.zero_shot import Question, macro_auroc

RECALLS = (1, 5, 10)


@dataclass(frozen=True)
class Validation:
    """The mean loss of a study, and the share of images whose own text is among the first k of `texts` different ones.

    `auroc` is the zero-shot macro AUROC, absent where too few validation studies have labels.
    """

    loss: float
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    median_rank: float
    studies: int
    texts: int
    auroc: float | None = None

    @property
    def figures(self) -> dict[str, float]:
        """Its figures by name, those that there are."""
        return {name: value for name, value in vars(self).items() if value is not None}


def by_recall(validation: Validation) -> float:
    """A way to choose the best checkpoint, larger is better: mean recall over k = 1, 5, 10, then the loss."""
    recalls = (validation.recall_at_1, validation.recall_at_5, validation.recall_at_10)
    return sum(recalls) / len(recalls) - 1e-6 * validation.loss


def by_loss(validation: Validation) -> float:
    """A way to choose the best checkpoint, larger is better: the loss alone, as in the paper's published code."""
    return -validation.loss


@dataclass(frozen=True)
class _Embedded:
    """A batch, or a worker's share of it, as embeddings in the main memory; `keys` tell its first texts apart."""

    views: EmbeddedViews
    keys: tuple[str, ...]


@torch.no_grad()
def validate(
    model: DualEncoder,
    batches: Iterable[Batch],
    *,
    weights: LossWeights,
    autocast: torch.autocast,
    device: str,
    workers: Workers = SINGLE,
    asked: Sequence[Question] = (),
    chunks: int = 1,
) -> Validation:
    """Measure `model` on batches of fixed images and texts; the first image and first text of each study are paired.

    With several workers `batches` are this one's shares (`data.batching.in_order`), and every worker has the figures
    of whole batches and all studies. `asked` are zero-shot questions about the studies of all batches, in their order.
    `chunks`: in how many parts a batch goes through the encoders.
    """
    was_training = model.training
    model.eval()
    own = [_embed(model, batch, chunks=chunks, autocast=autocast, device=device) for batch in batches]
    together = [_joined(shares) for shares in zip_longest(*gather_objects(own, workers))]
    scale = model.scale
    losses = [float(weighted_sum(study_contrast(_to(batch.views, device), scale), weights)) for batch in together]
    keys = [key for batch in together for key in batch.keys]
    images = torch.cat([batch.views.images[0] for batch in together])
    texts = torch.cat([batch.views.texts[0] for batch in together])
    area = macro_auroc(model, images, asked, device=device)
    model.train(was_training)
    merged = merge_identical(keys)
    ranks = target_ranks(images, texts[torch.from_numpy(merged.first)], merged.group)
    at = [recall_at(ranks, k) for k in RECALLS]
    sizes = [len(batch.keys) for batch in together]
    return Validation(
        loss=float(np.average(losses, weights=sizes)),
        recall_at_1=at[0],
        recall_at_5=at[1],
        recall_at_10=at[2],
        median_rank=float(np.median(ranks)),
        studies=len(keys),
        texts=len(merged.first),
        auroc=area,
    )


def _embed(model: DualEncoder, batch: Batch, *, chunks: int, autocast: torch.autocast, device: str) -> _Embedded:
    parted = in_chunks(batch, chunks)
    with autocast:
        views = parted.joined([model(move(part, device)) for part in parted.parts])
    first = batch.texts[0]
    keys = (" ".join(map(str, row[mask.bool()].tolist())) for row, mask in zip(first.ids, first.mask, strict=True))
    return _Embedded(_to(views, "cpu"), tuple(keys))


def _joined(shares: Iterable[_Embedded | None]) -> _Embedded:
    """One batch from the shares of its workers; a worker may have had none of the last one."""
    present = [share for share in shares if share is not None]
    return _Embedded(
        views=EmbeddedViews(
            images=tuple(map(torch.cat, zip(*(share.views.images for share in present), strict=True))),
            texts=tuple(map(torch.cat, zip(*(share.views.texts for share in present), strict=True))),
        ),
        keys=tuple(chain.from_iterable(share.keys for share in present)),
    )


def _to(views: EmbeddedViews, device: str) -> EmbeddedViews:
    return views.each(lambda view: view.to(device))


def move(batch: Batch, device: str) -> Batch:
    """The same batch on `device`."""
    return Batch(
        images=tuple(images.to(device, non_blocking=True) for images in batch.images),
        texts=tuple(tokens.to(device) for tokens in batch.texts),
        study_ids=batch.study_ids,
        hard_negatives=None if batch.hard_negatives is None else _moved(batch.hard_negatives, device),
    )


def _moved(turned: HardNegatives, device: str) -> HardNegatives:
    return HardNegatives(tuple(tokens.to(device) for tokens in turned.texts), turned.there.to(device))
