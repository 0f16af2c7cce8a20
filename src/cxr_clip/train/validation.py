"""What a validation says: the loss and image-to-text retrieval on studies that are not learned from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from cxr_clip.losses import LossWeights, study_contrast, weighted_sum
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.ranking import merge_identical, recall_at, target_ranks
from cxr_clip.tensors import Batch

RECALLS = (1, 5, 10)


@dataclass(frozen=True)
class Validation:
    """The mean loss of a study, and the share of images whose own text is among the first k."""

    loss: float
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    median_rank: float
    studies: int

    @property
    def value(self) -> float:
        """What the best checkpoint is chosen by, larger is better: mean recall over k = 1, 5, 10, then the loss."""
        return (self.recall_at_1 + self.recall_at_5 + self.recall_at_10) / 3 - 1e-6 * self.loss


@torch.no_grad()
def validate(
    model: DualEncoder, batches: Iterable[Batch], *, weights: LossWeights, autocast: torch.autocast, device: str
) -> Validation:
    """Measure `model` on batches of fixed images and texts; the first image and first text of each study are paired."""
    was_training = model.training
    model.eval()
    losses, sizes, images, texts, keys = [], [], [], [], []
    for batch in batches:
        moved = move(batch, device)
        with autocast:
            views = model(moved)
        losses.append(float(weighted_sum(study_contrast(views, model.scale), weights)))
        sizes.append(len(batch.study_ids))
        images.append(views.images[0].float().cpu())
        texts.append(views.texts[0].float().cpu())
        first = batch.texts[0]
        keys += [" ".join(map(str, row[mask.bool()].tolist())) for row, mask in zip(first.ids, first.mask, strict=True)]
    model.train(was_training)
    merged = merge_identical(keys)
    ranks = target_ranks(torch.cat(images), torch.cat(texts)[torch.from_numpy(merged.first)], merged.group)
    at = [recall_at(ranks, k) for k in RECALLS]
    return Validation(float(np.average(losses, weights=sizes)), at[0], at[1], at[2], float(np.median(ranks)), len(keys))


def move(batch: Batch, device: str) -> Batch:
    """The same batch on `device`."""
    return Batch(
        images=tuple(images.to(device, non_blocking=True) for images in batch.images),
        texts=tuple(tokens.to(device) for tokens in batch.texts),
        study_ids=batch.study_ids,
    )
