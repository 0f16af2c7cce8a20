"""One training step up to the optimiser: batch, two encoders, contrast, gradients."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.graph import register_multi_grad_hook

from cxr_clip.distributed import Workers, gather
from cxr_clip.errors import TrainingError
from cxr_clip.losses import study_contrast, weighted_sum
from cxr_clip.tensors import Batch, EmbeddedViews, HardNegatives, LossTerms
from cxr_clip.train.cached_gradient import embed_at_once, embed_in_chunks
from cxr_clip.train.optim import set_learning_rate
from cxr_clip.train.stopwatch import Part
from cxr_clip.train.training import Training


@dataclass(frozen=True)
class Learnt:
    """What one batch of `studies` (of all workers) had to say; the norm is that of the gradient before clipping.

    `views` are the embeddings of all its studies, without a graph.
    """

    studies: int
    views: EmbeddedViews
    loss: float
    terms: LossTerms
    gradient_norm: float


def learn(training: Training, batch: Batch, step: int, *, lap: Callable[[Part], None]) -> Learnt:
    """Put the gradients of one batch, and the learning rate of its step, where the optimiser finds them.

    `lap` is told what the time since its last call went into.
    """
    set_learning_rate(training.optimizer, training.learning_rate(step))
    training.optimizer.zero_grad(set_to_none=True)
    embed = embed_at_once if training.chunks == 1 else embed_in_chunks
    embedded = embed(training, batch, step)
    lap(Part.ENCODERS)
    own = _without_absent(embedded.views, batch.hard_negatives)
    everyone = of_all_workers(own, training.workers)
    terms = study_contrast(everyone, embedded.scale)
    loss = weighted_sum(terms, training.weights)
    _refuse_not_finite("loss", loss, terms, batch, step)
    with _when_differentiated(embedded.views, partial(lap, Part.LOSS)):
        loss.backward()  # type: ignore[no-untyped-call]
    embedded.propagate()
    lap(Part.ENCODERS)
    limit = training.pace.clip_norm if training.pace.clip_norm is not None else float("inf")
    norm = torch.nn.utils.clip_grad_norm_(training.model.parameters(), limit)
    _refuse_not_finite("gradient", norm, terms, batch, step)
    return Learnt(
        studies=len(everyone.images[0]),
        views=everyone.each(Tensor.detach),
        loss=float(loss.detach()),
        terms=terms,
        gradient_norm=float(norm),
    )


def rehearse(training: Training, batch: Batch, step: int) -> None:
    """Go through the first step of a session once before it counts; only of several workers.

    DistributedDataParallel sorts the gradients anew after the first `backward`, and with more than two workers their
    sums round by their place. A continued run would differ from one never stopped in its first step.
    """
    if training.replica is None:
        return
    kept = [buffer.clone() for buffer in training.model.buffers()]
    learn(training, batch, step, lap=lambda _part: None)
    for buffer, value in zip(training.model.buffers(), kept, strict=True):
        buffer.copy_(value)


def of_all_workers(views: EmbeddedViews, workers: Workers) -> EmbeddedViews:
    """The embeddings of all workers' studies, with gradients; all views of a study travel in one message."""
    if workers.count == 1:
        return views
    dim = views.images[0].shape[1]
    together = torch.split(gather(torch.cat(views.all, dim=1), workers), dim, dim=1)
    images, positives = len(views.images), len(views.images) + len(views.texts)
    return EmbeddedViews(
        images=together[:images], texts=together[images:positives], hard_negatives=together[positives:]
    )


def _without_absent(views: EmbeddedViews, turned: HardNegatives | None) -> EmbeddedViews:
    """Zeros for the hard negatives that studies do not have: the embedding of an empty text says nothing."""
    if turned is None:
        return views
    there = turned.there.to(views.images[0].device).T[..., None]
    return replace(
        views,
        hard_negatives=tuple(view * one for view, one in zip(views.hard_negatives, there, strict=True)),
    )


@contextmanager
def _when_differentiated(views: EmbeddedViews, act: Callable[[], None]) -> Iterator[None]:
    """Call `act` when a backward pass has the gradients of all embeddings: where the loss ends, the encoders begin."""
    learnt = [view for view in views.all if view.requires_grad]
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
        f"the {what} of step {step} is not finite ({parts}); studies of the batch: {shown}. A checkpoint kept before "
        "stays; start a new run folder with a lower train.learning_rate, train.clip_norm=1 or train.precision=fp32"
    )


def numbers(terms: LossTerms) -> dict[str, float]:
    """The terms that exist, by name."""
    return {name: float(value.detach()) for name, value in vars(terms).items() if value is not None}
