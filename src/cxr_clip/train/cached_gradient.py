"""The gradient of a whole batch with the memory of a chunk: embeddings first, then one chunk's graph at a time.

Every chunk is embedded without a graph. The loss of all embeddings together is differentiated by the embeddings; then
every chunk is embedded again, with the same dropout and with a graph, and takes its part of that gradient on to the
weights (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup").
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from cxr_clip.distributed import keeping_gradients
from cxr_clip.model.running_statistics import keeping_statistics, moving_statistics_as_one
from cxr_clip.tensors import Batch, EmbeddedViews
from cxr_clip.train.chunks import in_chunks
from cxr_clip.train.training import Training
from cxr_clip.train.validation import move


@dataclass(frozen=True)
class Embedded:
    """What a loss is made of; when it is differentiated, `propagate` takes the gradients on to all weights."""

    views: EmbeddedViews
    scale: Float[Tensor, "1"]
    propagate: Callable[[], None]


def embed_at_once(training: Training, batch: Batch, step: int) -> Embedded:
    """Embed a batch with one graph that reaches from the loss to the weights."""
    return Embedded(_embed(training, batch, step, 0), training.model.scale, _nothing_is_left)


def embed_in_chunks(training: Training, batch: Batch, step: int) -> Embedded:
    """Embed a batch in `training.chunks` chunks, each of which has a graph only while `propagate` is at it.

    The gradient is that of the whole batch, if each chunk's batch normalisation takes its statistics over the chunk.
    Running statistics move once, to the mean of the chunks'.
    """
    chunks = in_chunks(batch, training.chunks)
    with torch.no_grad(), keeping_statistics(training.model):
        leaves = [_leaves(_embed(training, part, step, number)) for number, part in enumerate(chunks.parts)]
    scale = training.model.scale.detach().requires_grad_()

    def propagate() -> None:
        count = len(leaves)
        for number, (part, found) in enumerate(zip(chunks.parts, leaves, strict=True)):
            is_last = number == count - 1
            # The gradients of all chunks are sent to the other workers once, with the last one.
            alone = nullcontext() if is_last else keeping_gradients(training.learner)
            with moving_statistics_as_one(training.model, number, count), alone:
                again = _embed(training, part, step, number)
                reached = list(zip(again.all, found.all, strict=True))
                _go_on(reached + [(training.model.scale, scale)] * is_last)

    return Embedded(chunks.joined(leaves), scale, propagate)


def _embed(training: Training, batch: Batch, step: int, number: int) -> EmbeddedViews:
    seed_dropout(training, step, number)
    with training.autocast:
        views: EmbeddedViews = training.learner(move(batch, training.device))
    return views


def seed_dropout(training: Training, step: int, chunk: int) -> None:
    """Dropout depends on (seed, step, rank, chunk): neither a continued run nor a second pass needs a saved state.

    Torch's CPU generator takes the lower 32 bits of a seed: the odd numbers keep ranks and chunks apart there.
    """
    apart = training.workers.rank * 2_038_074_743 + chunk * 2_654_435_769
    torch.manual_seed((training.seed * 1_000_003 + step + apart) % 2**63)


def _leaves(views: EmbeddedViews) -> EmbeddedViews:
    return views.each(lambda view: view.detach().requires_grad_())


def _go_on(reached: list[tuple[Tensor, Tensor]]) -> None:
    """Continue from values with a graph, each with the leaf that has its gradient; locked parts have no graph."""
    open_ends = [(value, leaf.grad) for value, leaf in reached if value.requires_grad]
    torch.autograd.backward([value for value, _ in open_ends], [gradient for _, gradient in open_ends])


def _nothing_is_left() -> None:
    """Where one graph reaches from the loss to the weights, differentiating it was all."""
