"""Samples to batches: an order that depends on seed and epoch alone, and one tokeniser call a batch."""

import gc
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from cxr_clip.data.dataset import SampleKey, StudyDataset, StudySample
from cxr_clip.data.rare_draws import Draws, drawn_epoch
from cxr_clip.distributed import SINGLE, Workers
from cxr_clip.errors import CxrClipError, TrainingError
from cxr_clip.tensors import Batch, HardNegatives, Tokens

PREFETCH = 4
WAITING_BYTES = 2 * 1024**3

Tokenise = Callable[[Sequence[str]], Tokens]


class Order(Protocol):
    """The keys of batches, one batch after the other, and how many batches there are."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[list[SampleKey]]: ...


class TrainingOrder:
    """The keys of this worker's share of every batch of a whole training, from `start_step` on.

    Each epoch is a permutation drawn from (seed, epoch), or as many studies drawn by `draws` (data/rare_draws.py), of
    which some come several times; its last short batch is left out. One loader serves all
    epochs, so that its processes start once, and a continued run takes up the same order in the middle. `batch_size`
    is that of all workers together: their shares of a batch, one after the other, are the batch of a single one.
    Raises TrainingError where a worker would have nothing of a batch.
    """

    def __init__(
        self,
        studies: int,
        *,
        batch_size: int,
        seed: int,
        total_steps: int,
        start_step: int = 0,
        workers: Workers = SINGLE,
        draws: Draws | None = None,
    ) -> None:
        if batch_size < workers.count:
            raise TrainingError(
                f"a batch of {batch_size} studies is too small for {workers.count} workers: set "
                f"train.batch_size={workers.count} or more (it counts all workers), or start fewer"
            )
        self.steps_per_epoch = steps_per_epoch(studies, batch_size)
        self._own = workers.share(batch_size)
        self._studies = studies
        self._batch_size = batch_size
        self._seed = seed
        self._total_steps = total_steps
        self._start_step = start_step
        self._draws = draws

    def __len__(self) -> int:
        return self._total_steps - self._start_step

    def __iter__(self) -> Iterator[list[SampleKey]]:
        step = self._start_step
        while step < self._total_steps:
            epoch, first = divmod(step, self.steps_per_epoch)
            order, copies = self._epoch(epoch)
            last = min(self.steps_per_epoch, first + self._total_steps - step)
            for batch in range(first, last):
                rows = np.arange(batch * self._batch_size, (batch + 1) * self._batch_size)[self._own]
                yield [SampleKey(epoch, int(order[row]), int(copies[row])) for row in rows]
            step += last - first

    def _epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The studies of an epoch in their order, and how often each came before."""
        # (seed, epoch) alone would be the generator of study 0, as numpy fills up with zeros; no study has this number.
        rng = np.random.default_rng((self._seed, epoch, self._studies))
        if self._draws is not None:
            return drawn_epoch(self._draws, rng)
        return rng.permutation(self._studies), np.zeros(self._studies, dtype=np.int64)


def steps_per_epoch(studies: int, batch_size: int) -> int:
    """How many whole batches an epoch has; raises TrainingError where there is not one."""
    if studies < batch_size:
        raise TrainingError(
            f"{studies} training studies do not fill one batch of {batch_size}: set train.batch_size={max(2, studies)} "
            "or less, or prepare more studies"
        )
    return studies // batch_size


@dataclass(frozen=True)
class Collate:
    """Samples of studies to one Batch; all its texts are tokenised in one call and padded to their longest."""

    tokenise: Tokenise

    def __call__(self, samples: Sequence[StudySample]) -> Batch:
        """One batch, rows in the order of `samples`."""
        images, texts, turned = (len(views) for views in (samples[0].images, samples[0].texts, samples[0].turned))
        views = [(*sample.texts, *sample.turned) for sample in samples]
        tokens = self.tokenise([of_sample[number] for number in range(texts + turned) for of_sample in views])
        count = len(samples)
        every_text = tuple(
            Tokens(ids=tokens.ids[start : start + count], mask=tokens.mask[start : start + count])
            for start in range(0, (texts + turned) * count, count)
        )
        there = torch.tensor([[bool(text) for text in sample.turned] for sample in samples])
        return Batch(
            images=tuple(
                torch.from_numpy(np.stack([sample.images[number] for sample in samples]))[:, None]
                for number in range(images)
            ),
            texts=every_text[:texts],
            study_ids=tuple(sample.study_id for sample in samples),
            hard_negatives=HardNegatives(every_text[texts:], there) if turned else None,
        )


def batches_ahead(batch_bytes: int, *, processes: int, most: int = WAITING_BYTES) -> int:
    """How many batches each process is ahead: PREFETCH, or fewer where all that wait would take more than `most` bytes.

    One is the least, as every process has a batch of its own under way.
    """
    return max(1, min(PREFETCH, most // max(1, batch_bytes * processes)))


def batches(
    dataset: StudyDataset,
    keys: Order,
    collate: Collate,
    *,
    processes: int,
    pin: bool,
    prefetch: int = PREFETCH,
) -> Iterator[Batch]:
    """Make the batches of `keys`, in their order, in `processes` (0: in this one) that live as long as the iterator.

    There are never more processes than batches, so a finished run that is continued starts none. `pin` puts the batches
    where a GPU copies from fast; every process is up to `prefetch` batches ahead. Errors are those of the data set and
    of `collate`, whole and alone.
    """
    processes = min(processes, len(keys))
    loader: DataLoader[_Fetched] = DataLoader(
        _Fetcher(dataset, collate),  # type: ignore[arg-type]  # torch's annotations foresee its own Dataset only
        sampler=keys,
        batch_size=None,
        num_workers=processes,
        pin_memory=pin,
        multiprocessing_context="fork" if processes and sys.platform == "linux" else None,
        worker_init_fn=_calm_worker if processes else None,
        prefetch_factor=prefetch if processes else None,
    )
    for fetched in loader:
        if isinstance(fetched.result, CxrClipError):
            raise fetched.result
        yield fetched.result


@dataclass(frozen=True)
class _Fetched:
    """A batch, or the mistake that kept it from being made: raised in a process, torch would bury it in its trace."""

    result: Batch | CxrClipError

    def pin_memory(self) -> "_Fetched":
        """What torch's pinning thread calls."""
        if isinstance(self.result, CxrClipError):
            return self
        batch, turned = self.result, self.result.hard_negatives
        return _Fetched(
            Batch(
                images=tuple(images.pin_memory() for images in batch.images),
                texts=_pinned(batch.texts),
                study_ids=batch.study_ids,
                hard_negatives=None if turned is None else HardNegatives(_pinned(turned.texts), turned.there),
            )
        )


def _pinned(texts: Sequence[Tokens]) -> tuple[Tokens, ...]:
    return tuple(Tokens(ids=text.ids.pin_memory(), mask=text.mask.pin_memory()) for text in texts)


@dataclass(frozen=True)
class _Fetcher:
    """Item `keys` is the batch of these keys."""

    dataset: StudyDataset
    collate: Collate

    def __getitem__(self, keys: list[SampleKey]) -> _Fetched:
        try:
            return _Fetched(self.collate([self.dataset[key] for key in keys]))
        except CxrClipError as error:
            return _Fetched(error)


def in_order(studies: int, batch_size: int, workers: Workers = SINGLE) -> list[list[SampleKey]]:
    """Keys of every study once, in order, the last batch as short as it comes: for validation.

    Each worker has its share of every batch. Of the last one some may have none, and so a batch less.
    """
    rows = range(studies)
    batches = (rows[start : start + batch_size] for start in range(0, studies, batch_size))
    shares = (batch[workers.share(len(batch))] for batch in batches)
    return [[SampleKey(0, row) for row in share] for share in shares if share]


def _calm_worker(_number: int) -> None:
    """Keep a loader process to one thread: the processes are the parallelism, and threads do not survive a fork.

    Garbage collection passes over what came with the fork: looking at it would copy 57 MB into each process. Batch
    systems send SIGTERM to every process of a job; the training that goes on to a checkpoint needs its loaders.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.freeze()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
