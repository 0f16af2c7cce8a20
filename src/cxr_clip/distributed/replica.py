"""One model on all workers: plain DistributedDataParallel, which takes the mean of the workers' gradients."""

import warnings
from contextlib import AbstractContextManager, nullcontext

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cxr_clip.distributed.workers import Workers


def replicate(model: nn.Module, workers: Workers) -> nn.Module:
    """The model as it is called in a training step; with several workers its `backward` ends with equal gradients.

    All workers start from the weights of worker 0. Every weight that trains must take part in each `backward` that
    follows a call, the scale of the loss among them, or its gradient is waited for in vain. A step that calls and
    differentiates in several pieces sends gradients once, with its last piece:

        for piece in pieces[:-1]:
            with keeping_gradients(replica):
                surrogate(replica(piece)).backward()      # adds to the gradients of this worker alone
        surrogate(replica(pieces[-1])).backward()         # adds the last, then takes the mean over workers

    There the loss is differentiated before by embeddings and scale, and the last surrogate holds the scale too:
    `(embeddings * their_gradient).sum() + (model.scale * its_gradient).sum()`. Calls without a graph
    (`torch.no_grad`) need no care.
    """
    if workers.count == 1:
        return model
    # A kernel of one pixel has no order of its pixels, and torch takes the two ways to say so for a difference.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    replica = DistributedDataParallel(model, gradient_as_bucket_view=True)
    # Buffers are running statistics: equal on all workers, or of no account while training (`take_buffers_of_first`).
    # Set here, because the argument has one name in older versions of torch and another in newer ones.
    replica.broadcast_buffers = False
    return replica


def keeping_gradients(replica: nn.Module) -> AbstractContextManager[None]:
    """Within it, gradients of `replica` stay with their worker; the next call and `backward` outside sends them too."""
    return replica.no_sync() if isinstance(replica, DistributedDataParallel) else nullcontext()
