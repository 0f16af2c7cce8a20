"""Large batches that are made a chunk at a time, so that many processes share the work of one of them."""

import math
from collections.abc import Iterator, Sequence

import torch

from cxr_clip.data.batching import PREFETCH, Collate, Order, batches
from cxr_clip.data.dataset import SampleKey, StudyDataset
from cxr_clip.tensors import Batch, HardNegatives, joined


def batches_by_chunks(
    dataset: StudyDataset,
    keys: Order,
    collate: Collate,
    *,
    processes: int,
    chunk_size: int,
    prefetch: int = PREFETCH,
) -> Iterator[Batch]:
    """Make the batches of `keys` as `batching.batches` does, of which a process makes `chunk_size` studies at a time.

    All chunks of a batch are under way while another batch is learned from; every process is `prefetch` of them ahead,
    or more where a batch needs that. Batches are not pinned: they are copied to
    a GPU a chunk at a time, which is little beside what the encoders do with it.
    """
    chunks = _Chunks(keys, chunk_size)
    ahead = max(prefetch, math.ceil(chunks.of_a_batch / max(processes, 1)))
    made = batches(dataset, chunks, collate, processes=processes, pin=False, prefetch=ahead)
    for batch in keys:
        yield _joined([next(made) for _ in _split(batch, chunk_size)])


class _Chunks:
    """The keys of batches, a chunk at a time; the first batch has as many chunks as any."""

    def __init__(self, keys: Order, size: int) -> None:
        self._keys = keys
        self._size = size
        self.of_a_batch = len(_split(next(iter(keys), []), size))

    def __len__(self) -> int:
        return len(self._keys) * self.of_a_batch

    def __iter__(self) -> Iterator[list[SampleKey]]:
        for batch in self._keys:
            yield from _split(batch, self._size)


def _split(batch: list[SampleKey], size: int) -> list[list[SampleKey]]:
    return [batch[start : start + size] for start in range(0, len(batch), size)]


def _joined(chunks: Sequence[Batch]) -> Batch:
    return Batch(
        images=tuple(torch.cat(views) for views in zip(*(chunk.images for chunk in chunks), strict=True)),
        texts=tuple(joined(texts) for texts in zip(*(chunk.texts for chunk in chunks), strict=True)),
        study_ids=tuple(study for chunk in chunks for study in chunk.study_ids),
        hard_negatives=_all_turned([chunk.hard_negatives for chunk in chunks if chunk.hard_negatives is not None]),
    )


def _all_turned(parts: Sequence[HardNegatives]) -> HardNegatives | None:
    """The hard negatives of all chunks; none where chunks have none."""
    if not parts:
        return None
    texts = tuple(joined(views) for views in zip(*(part.texts for part in parts), strict=True))
    return HardNegatives(texts, torch.cat([part.there for part in parts]))
