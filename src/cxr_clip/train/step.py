"""One training step up to the optimiser: batch, two encoders, contrast, gradients."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cxr_clip.distributed import gather
from cxr_clip.errors import TrainingError
from cxr_clip.losses import study_contrast, weighted_sum
from cxr_clip.tensors import Batch, EmbeddedViews, LossTerms
from cxr_clip.train.optim import set_learning_rate
from cxr_clip.train.training import Training
from cxr_clip.train.validation import move


@dataclass(frozen=True)
class Learnt:
    """What one batch had to say: its loss terms, and the norm of the gradient before clipping."""

    loss: float
    terms: LossTerms
    gradient_norm: float


def learn(training: Training, batch: Batch, step: int) -> Learnt:
    """Put the gradients of one batch, and the learning rate of its step, where the optimiser finds them."""
    # Dropout of a step depends on (seed, step), so a continued run needs no saved random state.
    torch.manual_seed((training.seed * 1_000_003 + step) % 2**63)
    set_learning_rate(training.optimizer, training.learning_rate(step))
    training.optimizer.zero_grad(set_to_none=True)
    with training.autocast:
        views: EmbeddedViews = training.model(move(batch, training.device))
    everyone = EmbeddedViews(
        images=tuple(gather(view, training.workers) for view in views.images),
        texts=tuple(gather(view, training.workers) for view in views.texts),
    )
    terms = study_contrast(everyone, training.model.scale)
    loss = weighted_sum(terms, training.weights)
    _refuse_not_finite("loss", loss, terms, batch, step)
    loss.backward()  # type: ignore[no-untyped-call]
    limit = training.pace.clip_norm if training.pace.clip_norm is not None else float("inf")
    norm = torch.nn.utils.clip_grad_norm_(training.model.parameters(), limit)
    _refuse_not_finite("gradient", norm, terms, batch, step)
    return Learnt(loss=float(loss.detach()), terms=terms, gradient_norm=float(norm))


def _refuse_not_finite(what: str, value: Float[Tensor, ""], terms: LossTerms, batch: Batch, step: int) -> None:
    if torch.isfinite(value):
        return
    parts = ", ".join(f"{name} {number:g}" for name, number in numbers(terms).items())
    shown = ", ".join(batch.study_ids[:5]) + (", ..." if len(batch.study_ids) > 5 else "")
    raise TrainingError(
        f"the {what} of step {step} is not finite ({parts}); studies of the batch: {shown}. The last checkpoint is "
        "kept; start a new run folder with a lower train.learning_rate, train.clip_norm=1 or train.precision=fp32"
    )


def numbers(terms: LossTerms) -> dict[str, float]:
    """The terms that exist, by name."""
    return {name: float(value.detach()) for name, value in vars(terms).items() if value is not None}
