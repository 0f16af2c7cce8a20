"""How workers find each other, and how they end: together, and with one of them speaking.

A launcher starts the same command several times and tells each which one it is (`torchrun`). Whoever fails first says
why; the others end without a word as soon as they notice.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

# The functions in it have the group of the moment of their import for a default, and own it for ever. Making a replica
# imports it; imported here, it finds no group.
import torch.distributed.nn.functional
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from cxr_clip.distributed.collect import gather_objects
from cxr_clip.distributed.workers import SINGLE, Workers, local_rank, started_workers
from cxr_clip.errors import AnotherWorkerFailedError, WorkerLostError

# A worker that was killed is noticed at once; this is for a machine that does not answer any more.
PATIENCE = timedelta(minutes=10)


@contextmanager
def joined_workers(*, patience: timedelta = PATIENCE) -> Iterator[Workers]:
    """Join this process as one of the workers that its launcher started; a single worker without a launcher.

    Tensors on GPUs travel by NCCL and all others by gloo; worker n of a machine has its GPU n. On an error the first
    worker that has one raises it, and the others raise AnotherWorkerFailedError, which has nothing to say. Raises
    WorkerLostError where another worker was killed or has not answered for `patience`.
    """
    workers = started_workers()
    if workers.count == 1:
        yield SINGLE
        return
    store = _join(workers, patience)
    try:
        yield workers
        gather_objects("finished", workers)
    except BaseException as error:
        if not _speaks(store):
            raise AnotherWorkerFailedError from None
        if _lost_another(error):
            raise WorkerLostError(
                f"worker {workers.rank} of {workers.count} lost the others: one was killed, or does not answer; the "
                "last checkpoint is kept, and the same command continues from it"
            ) from error
        raise
    _leave()


def _leave() -> None:
    """End the connections and their threads.

    A thread of gloo may still let go of the tensors of the last collective, and needs the interpreter for that; one
    that is at it while the interpreter ends aborts the process. Threads end with the last owner of the group; a
    replica is one, until the cycles that hold it are collected.
    """
    gc.collect()
    dist.destroy_process_group()


def _join(workers: Workers, patience: timedelta) -> Store:
    has_gpus = torch.cuda.is_available()
    if has_gpus and local_rank() < torch.cuda.device_count():
        torch.cuda.set_device(local_rank())
    store, rank, count = next(rendezvous("env://", workers.rank, workers.count, timeout=patience))
    store.set_timeout(patience)
    backend = "cpu:gloo,cuda:nccl" if has_gpus else "gloo"
    dist.init_process_group(backend, store=PrefixStore("workers", store), rank=rank, world_size=count, timeout=patience)
    return PrefixStore("failures", store)


def _speaks(store: Store) -> bool:
    """Whether this worker is the first that failed, as far as can still be told."""
    try:
        return int(store.add("count", 1)) == 1
    except RuntimeError:  # the store went with the process that held it
        return True


def _lost_another(error: BaseException) -> bool:
    """Whether an error is of the connection: gloo raises a plain RuntimeError that names its file."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error))
