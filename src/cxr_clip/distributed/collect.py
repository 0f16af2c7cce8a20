"""What all workers have, in order of rank: embeddings with their gradients, small objects, buffers of a model."""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

from cxr_clip.distributed.workers import Workers
from cxr_clip.errors import TrainingError

T = TypeVar("T")


def gather(
    values: Float[Tensor, "own *dims"], workers: Workers, *, rows: Sequence[int] | None = None
) -> Float[Tensor, "all *dims"]:
    """The rows of all workers, in order of rank; there may be more of one worker than of another.

    What a worker gets back is the sum of the gradients that all workers have for its rows. Where every worker takes
    the loss of all rows, that is `workers.count` times the gradient of one process; the mean over workers that
    `replicate` takes of every weight's gradient undoes it. `rows`: how many each worker has, where that is known; it
    saves the question.
    """
    if workers.count == 1:
        return values
    gathered: Tensor = _Gather.apply(  # type: ignore[no-untyped-call]
        values, tuple(rows) if rows is not None else _rows_of_all(values, workers), workers
    )
    return gathered


def summed(values: Float[Tensor, "*dims"], workers: Workers) -> Float[Tensor, "*dims"]:
    """The sum of what all workers have, without a gradient."""
    if workers.count == 1:
        return values
    total = values.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def gather_objects(one: T, workers: Workers) -> list[T]:
    """What each worker hands over, in order of rank; everybody waits until all have come."""
    if workers.count == 1:
        return [one]
    everyone: list[Any] = [None] * workers.count
    dist.all_gather_object(everyone, one)
    return everyone


def refuse_disagreement(what: str, value: object, workers: Workers, *, mend: str) -> None:
    """Raise TrainingError on every worker where not all have the same `value`; everybody waits until all have come."""
    everyone = gather_objects(value, workers)
    for rank, other in enumerate(everyone):
        if other != everyone[0]:
            raise TrainingError(f"{what} is {everyone[0]} for worker 0 and {other} for worker {rank}: {mend}")


def take_buffers_of_first(model: nn.Module, workers: Workers) -> None:
    """Give every worker the buffers of worker 0: running statistics that each took of its own rows differ."""
    if workers.count > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def _rows_of_all(values: Tensor, workers: Workers) -> tuple[int, ...]:
    own = torch.tensor([len(values)], device=values.device)
    counts = [torch.empty_like(own) for _ in range(workers.count)]
    dist.all_gather(counts, own)
    return tuple(int(count) for count in counts)


class _Gather(torch.autograd.Function):
    """All rows forward; backward the sum over workers of the gradients of a worker's own rows."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, rows: tuple[int, ...], workers: Workers) -> Tensor:
        start = sum(rows[: workers.rank])
        ctx.own, ctx.workers = slice(start, start + rows[workers.rank]), workers
        # Collectives take parts of one size only.
        padded = values.new_zeros(max(rows), *values.shape[1:])
        padded[: len(values)] = values
        parts = [torch.empty_like(padded) for _ in rows]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, rows, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return summed(gradient, ctx.workers)[ctx.own], None, None
