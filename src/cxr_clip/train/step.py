"""One training step up to the optimiser: batch, two encoders, contrast, gradients."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import register_multi_grad_hook

from cxr_clip.distributed import gather
from cxr_clip.errors import TrainingError
from cxr_clip.losses import study_contrast, weighted_sum
from cxr_clip.tensors import Batch, EmbeddedViews, LossTerms
from cxr_clip.train.optim import set_learning_rate
from cxr_clip.train.stopwatch import Part
from cxr_clip.train.training import Training
from cxr_clip.train.validation import move


@dataclass(frozen=True)
class Learnt:
    """What one batch had to say: its loss terms, and the norm of the gradient before clipping."""

    loss: float
    terms: LossTerms
    gradient_norm: float


def learn(training: Training, batch: Batch, step: int, *, lap: Callable[[Part], None]) -> Learnt:
    """Put the gradients of one batch, and the learning rate of its step, where the optimiser finds them.

    `lap` is told what the time since its last call went into.
    """
    # Dropout of a step depends on (seed, step), so a continued run needs no saved random state.
    torch.manual_seed((training.seed * 1_000_003 + step) % 2**63)
    set_learning_rate(training.optimizer, training.learning_rate(step))
    training.optimizer.zero_grad(set_to_none=True)
    with training.autocast:
        views: EmbeddedViews = training.model(move(batch, training.device))
    lap(Part.ENCODERS)
    everyone = EmbeddedViews(
        images=tuple(gather(view, training.workers) for view in views.images),
        texts=tuple(gather(view, training.workers) for view in views.texts),
    )
    terms = study_contrast(everyone, training.model.scale)
    loss = weighted_sum(terms, training.weights)
    _refuse_not_finite("loss", loss, terms, batch, step)
    with _when_differentiated(views, partial(lap, Part.LOSS)):
        loss.backward()  # type: ignore[no-untyped-call]
    lap(Part.ENCODERS)
    limit = training.pace.clip_norm if training.pace.clip_norm is not None else float("inf")
    norm = torch.nn.utils.clip_grad_norm_(training.model.parameters(), limit)
    _refuse_not_finite("gradient", norm, terms, batch, step)
    return Learnt(loss=float(loss.detach()), terms=terms, gradient_norm=float(norm))


@contextmanager
def _when_differentiated(views: EmbeddedViews, act: Callable[[], None]) -> Iterator[None]:
    """Call `act` when a backward pass has the gradients of all embeddings: where the loss ends, the encoders begin."""
    learnt = [view for view in (*views.images, *views.texts) if view.requires_grad]
    handle = register_multi_grad_hook(learnt, lambda _gradients: act())
    try:
        yield
    finally:
        handle.remove()


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
