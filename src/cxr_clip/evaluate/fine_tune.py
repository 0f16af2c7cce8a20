"""Full fine-tune: the image encoder and a linear head learn from labels together.

Normalisation layers keep the statistics of the pre-training, and dropout is off: few images would spoil the one and
need the other. The epoch with the best validation AUROC is measured.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cxr_clip.data.transforms import TrainTransform
from cxr_clip.evaluate.few_shot_parts import ImageModel, Labels, Learn, Part, Parts, Scores, Settings, macro_auroc
from cxr_clip.evaluate.study_images import images_in_use, in_batches
from cxr_clip.evaluate.subject import Subject
from cxr_clip.evaluate.subsets import POSITIVE, UNKNOWN
from cxr_clip.model.freezing import LearningRateFactors, trainable_groups
from cxr_clip.model.image_encoder import ImageEncoder
from cxr_clip.study import Study
from cxr_clip.train.optim import adamw, set_learning_rate, warmup_cosine

BATCH = 64


class Classifier(nn.Module):
    """An image encoder and one logit for each finding; the head starts from nothing."""

    def __init__(self, image: ImageEncoder, findings: int) -> None:
        super().__init__()
        self.image = image
        self.head = nn.Linear(image.feature_size, findings)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: Tensor) -> Float[Tensor, "batch findings"]:
        """Logits of 8-bit pictures, (batch, 1, height, width)."""
        logits: Tensor = self.head(self.image(images))
        return logits


@dataclass(frozen=True, eq=False)
class _Bench:
    """What every step needs: the model's own view of pictures, where they are read, and how to learn."""

    model: ImageModel
    subject: Subject
    settings: Settings

    def squares(self, studies: Sequence[Study]) -> Tensor:
        """The first image of each study as it is measured, (studies, 1, size, size)."""
        return self._stacked([self.model.square(self._read(study)) for study in studies])

    def varied(self, studies: Sequence[Study], rng: np.random.Generator) -> Tensor:
        """The first image of each study as training varies it."""
        return self._stacked([self._vary(self._read(study), rng) for study in studies])

    def scores(self, classifier: Classifier, studies: Sequence[Study]) -> Scores:
        """The logits of studies, (studies, findings)."""
        with torch.inference_mode():
            parts = [classifier(self.squares(batch)).double().cpu() for batch in in_batches(studies, BATCH)]
        return np.asarray(torch.cat(parts).numpy())

    @cached_property
    def _vary(self) -> TrainTransform:
        """The variations of training, at the size that the model sees."""
        return TrainTransform(len(self.model.square(np.zeros((1, 1), np.uint8))))

    def _read(self, study: Study) -> NDArray[np.uint8]:
        return self.subject.material.read_image(images_in_use(study)[0])

    def _stacked(self, squares: Sequence[NDArray[np.uint8]]) -> Tensor:
        return torch.from_numpy(np.stack(squares))[:, None].to(self.model.device)


def fine_tune(subject: Subject, model: ImageModel, parts: Parts, settings: Settings) -> Learn:
    """Return what learns from rows of the training studies; the seed decides their order and variations."""
    bench = _Bench(model, subject, settings)

    def learn(rows: NDArray[np.int64], seed: int) -> Scores:
        chosen = Part([parts.train.studies[row] for row in rows], parts.train.labels[rows])
        classifier = Classifier(model.image_encoder(), chosen.labels.shape[1]).to(model.device).eval()
        best, kept = -np.inf, copy.deepcopy(classifier.state_dict())
        for _ in _epochs(classifier, chosen, bench, seed=seed):
            area = macro_auroc(bench.scores(classifier, parts.validate.studies), parts.validate.labels)
            if area > best:
                best, kept = area, copy.deepcopy(classifier.state_dict())
        classifier.load_state_dict(kept)
        return bench.scores(classifier, parts.test.studies)

    return learn


def masked_loss(logits: Float[Tensor, "batch findings"], labels: Labels) -> Tensor:
    """The mean binary cross-entropy over what is known."""
    known = torch.from_numpy(labels != UNKNOWN).to(logits.device)
    truth = torch.from_numpy(labels == POSITIVE).to(logits)
    losses = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)


def _epochs(classifier: Classifier, part: Part, bench: _Bench, *, seed: int) -> Iterator[int]:
    """Train in place, and stop after each epoch for a look."""
    settings = bench.settings
    epochs, batch = int(settings["epochs"]), int(settings["batch_size"])
    factors = LearningRateFactors(image=settings["encoder_rate"] / settings["head_rate"])
    groups = trainable_groups(classifier, settings["weight_decay"], factors=factors)
    optimizer = adamw(groups, learning_rate=settings["head_rate"])
    per_epoch, rng = math.ceil(len(part.studies) / batch), np.random.default_rng(seed)
    for epoch in range(epochs):
        for number, rows in enumerate(in_batches(rng.permutation(len(part.studies)), batch)):
            # From 1, so that the first step learns.
            step = epoch * per_epoch + number + 1
            rate = warmup_cosine(step, warmup_steps=per_epoch, total_steps=epochs * per_epoch + 1)
            set_learning_rate(optimizer, settings["head_rate"] * rate)
            logits = classifier(bench.varied([part.studies[row] for row in rows], rng))
            optimizer.zero_grad()
            torch.autograd.backward(masked_loss(logits, part.labels[rows]))
            optimizer.step()
        yield epoch
