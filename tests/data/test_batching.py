"""The order of a training, and batches that are the same however many processes make them, at once or by chunks."""

import gc
import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cxr_clip.data.batching import PREFETCH, Collate, TrainingOrder, batches, batches_ahead, in_order, steps_per_epoch
from cxr_clip.data.chunked_batches import batches_by_chunks
from cxr_clip.data.dataset import Part, SampleKey, StudyDataset, StudySample, choose_images
from cxr_clip.distributed import Workers
from cxr_clip.errors import ImageError, TrainingError
from cxr_clip.study import ImageFile, Split, Study
from cxr_clip.tensors import Batch, Tokens, joined

# Coverage warns in every forked process that what was imported before is not measured there.
forks = pytest.mark.filterwarnings("ignore:Module cxr_clip was previously imported")


def letters(texts: Sequence[str]) -> Tokens:
    """A token for each letter, padded to the longest text."""
    length = max(len(text) for text in texts)
    ids = torch.tensor([[ord(letter) for letter in text.ljust(length, "\0")] for text in texts])
    return Tokens(ids=ids, mask=(ids > 0).long())


def read(image: ImageFile) -> np.ndarray:
    if image.path == "broken":
        raise ImageError("no image")
    return np.full((6, 6), int(image.path), dtype=np.uint8)


def words(study: Study, rng: np.random.Generator) -> tuple[str, ...]:
    return study.id * int(rng.integers(1, 4)), study.id


def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image + rng.integers(0, 9, image.shape, dtype=np.uint8)


def dataset(count: int, *, broken: int | None = None) -> StudyDataset:
    studies = [
        Study(
            id=f"s{number}",
            patient="p",
            source="made up",
            split=Split.TRAIN,
            images=(ImageFile(path="broken" if number == broken else str(number)),),
        )
        for number in range(count)
    ]
    part = Part(studies=studies, read_image=read, texts=words)
    return StudyDataset([part], choose=choose_images, transform=noise, images=2, seed=5)


def order(studies: int = 10, **changes: object) -> TrainingOrder:
    return TrainingOrder(studies, **{"batch_size": 3, "seed": 0, "total_steps": 12, **changes})


@given(st.integers(2, 40), st.integers(2, 12), st.integers(1, 5), st.integers(0, 9))
def test_an_epoch_shows_every_study_once_but_for_the_last_short_batch(
    studies: int, batch_size: int, epochs: int, seed: int
) -> None:
    batch_size = min(batch_size, studies)
    steps = studies // batch_size
    keys = list(TrainingOrder(studies, batch_size=batch_size, seed=seed, total_steps=steps * epochs))
    assert [len(batch) for batch in keys] == [batch_size] * steps * epochs
    for epoch in range(epochs):
        epoch_keys = [key for batch in keys[epoch * steps : (epoch + 1) * steps] for key in batch]
        assert {key.epoch for key in epoch_keys} == {epoch}
        indices = {key.study for key in epoch_keys}
        assert len(indices) == steps * batch_size
        assert indices <= set(range(studies))


def test_a_continued_order_is_the_rest_of_the_whole_one() -> None:
    whole = list(order())
    for start in range(13):
        rest = order(start_step=start)
        assert list(rest) == whole[start:]
        assert len(rest) == len(whole) - start


def test_epochs_and_seeds_are_shuffled_differently() -> None:
    studies = [[key.study for key in batch] for batch in order()]
    assert studies[:3] != studies[3:6]
    assert studies != [[key.study for key in batch] for batch in order(seed=1)]


def test_the_order_and_the_samples_share_no_generator() -> None:
    # numpy pads a seed with zeros: (seed, epoch) is (seed, epoch, 0), the generator of study 0.
    drawn = [np.random.default_rng((0, 1, index)).permutation(10)[:9].tolist() for index in range(10)]
    epoch_1 = [key.study for batch in list(order())[3:6] for key in batch]
    assert epoch_1 not in drawn


def test_too_few_studies_are_refused_with_the_mend() -> None:
    with pytest.raises(TrainingError, match=r"7 training studies .* batch of 8: set train\.batch_size=7"):
        steps_per_epoch(7, 8)
    with pytest.raises(TrainingError):
        order(studies=2)


@pytest.mark.parametrize("count", [2, 3])
def test_the_shares_of_the_workers_are_the_batches_of_one(count: int) -> None:
    shares = [list(order(start_step=2, workers=Workers(rank, count))) for rank in range(count)]
    together = [[key for share in batch for key in share] for batch in zip(*shares, strict=True)]
    assert together == list(order(start_step=2))
    last = [in_order(7, 3, Workers(rank, count)) for rank in range(count)]
    assert sorted(key.study for keys in last for batch in keys for key in batch) == list(range(7))
    assert all(batch for keys in last for batch in keys)


def test_more_workers_than_studies_of_a_batch_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"3 studies is too small for 4 workers: set train\.batch_size=4"):
        order(workers=Workers(0, 4))


def test_validation_takes_every_study_once_in_order() -> None:
    keys = in_order(7, 3)
    assert [len(batch) for batch in keys] == [3, 3, 1]
    assert [key for batch in keys for key in batch] == [SampleKey(0, number) for number in range(7)]


def test_a_batch_is_tokenised_in_one_call() -> None:
    calls: list[list[str]] = []

    def counted(texts: Sequence[str]) -> Tokens:
        calls.append(list(texts))
        return letters(texts)

    square = np.arange(4, dtype=np.uint8).reshape(2, 2)
    samples = [StudySample(images=(square, square + 9), texts=(f"a{n}", f"bbb{n}"), study_id=f"s{n}") for n in range(3)]
    batch = Collate(counted)(samples)
    assert calls == [["a0", "a1", "a2", "bbb0", "bbb1", "bbb2"]]
    assert batch.study_ids == ("s0", "s1", "s2")
    assert [images.shape for images in batch.images] == [(3, 1, 2, 2)] * 2
    assert batch.images[1].dtype == torch.uint8
    assert torch.equal(batch.images[1][2, 0], torch.from_numpy(square + 9))
    assert [chr(letter) for letter in batch.texts[1].ids[2][batch.texts[1].mask[2].bool()]] == list("bbb2")


def test_hard_negatives_are_tokenised_with_the_texts_and_absent_ones_are_told() -> None:
    square = np.zeros((2, 2), dtype=np.uint8)
    samples = [
        StudySample(images=(square,), texts=("a", "b"), study_id=f"s{n}", turned=("xy", "" if n else "zzzz"))
        for n in range(2)
    ]
    batch = Collate(letters)(samples)
    assert len(batch.texts) == 2
    assert batch.hard_negatives is not None
    assert batch.hard_negatives.there.tolist() == [[True, True], [True, False]]
    second = batch.hard_negatives.texts[1]
    assert [chr(letter) for letter in second.ids[0][second.mask[0].bool()]] == list("zzzz")
    assert batch.every_text == (*batch.texts, *batch.hard_negatives.texts)


@pytest.mark.parametrize("chunk_size", [1, 2, 3])
def test_chunks_do_not_change_hard_negatives(chunk_size: int) -> None:
    def turned(texts: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
        return "", *("x" * int(rng.integers(1, 9)) for _ in texts)

    data = dataset(7)
    data._parts = tuple(replace(part, turned=turned) for part in data._parts)
    (at_once,) = batches(data, in_order(7, 7), Collate(letters), processes=0, pin=False)
    (found,) = batches_by_chunks(data, in_order(7, 7), Collate(letters), processes=0, chunk_size=chunk_size)
    assert found.hard_negatives is not None
    assert at_once.hard_negatives is not None
    assert torch.equal(found.hard_negatives.there, at_once.hard_negatives.there)
    assert torch.equal(joined(found.every_text).ids, joined(at_once.every_text).ids)


def test_one_image_and_one_text_make_a_batch_of_one_each() -> None:
    sample = StudySample(images=(np.zeros((2, 2), dtype=np.uint8),), texts=("a",), study_id="s")
    batch = Collate(letters)([sample])
    assert (len(batch.images), len(batch.texts)) == (1, 1)


def same(one: Batch, other: Batch) -> bool:
    return (
        one.study_ids == other.study_ids
        and all(map(torch.equal, one.images, other.images))
        and all(
            torch.equal(a.ids, b.ids) and torch.equal(a.mask, b.mask)
            for a, b in zip(one.texts, other.texts, strict=True)
        )
    )


@forks
def test_batches_do_not_depend_on_the_number_of_processes() -> None:
    alone, together = (
        list(batches(dataset(10), order(), Collate(letters), processes=processes, pin=False)) for processes in (0, 2)
    )
    assert len(alone) == 12
    assert all(map(same, alone, together))


@forks
def test_garbage_collection_in_a_process_passes_over_what_came_with_it() -> None:
    data = dataset(3)
    data._transform = lambda image, _rng: np.full_like(image, min(255, gc.get_freeze_count()))
    made = {
        processes: next(batches(data, order(3), Collate(letters), processes=processes, pin=False))
        for processes in (0, 1)
    }
    assert (made[0].images[0].max().item(), made[1].images[0].min().item()) == (0, 255)


@forks
@pytest.mark.parametrize("processes", [0, 1])
def test_a_mistake_comes_out_of_a_process_as_it_is(processes: int) -> None:
    keys = [[SampleKey(0, 0)], [SampleKey(0, 1), SampleKey(0, 2)]]
    made = batches(dataset(3, broken=2), keys, Collate(letters), processes=processes, pin=False)
    assert next(made).study_ids == ("s0",)
    with pytest.raises(ImageError) as caught:
        next(made)
    assert str(caught.value) == "study 's2' of made up: no image"


def test_nothing_to_do_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise AssertionError("a process was started")

    monkeypatch.setattr(os, "fork", fork)
    assert list(batches(dataset(3), [], Collate(letters), processes=2, pin=False)) == []


def whole(batch: Batch) -> Tokens:
    """All texts of a batch; how far each of its views is padded is no part of it."""
    return joined(batch.texts)


def same_studies(one: Batch, other: Batch) -> bool:
    return (
        one.study_ids == other.study_ids
        and all(torch.equal(mine, theirs) for mine, theirs in zip(one.images, other.images, strict=True))
        and torch.equal(whole(one).ids, whole(other).ids)
        and torch.equal(whole(one).mask, whole(other).mask)
    )


@forks
@pytest.mark.parametrize("processes", [0, 2])
@pytest.mark.parametrize("chunk_size", [1, 2, 3])
def test_chunks_do_not_change_a_batch(chunk_size: int, processes: int) -> None:
    at_once = list(batches(dataset(10), order(), Collate(letters), processes=0, pin=False))
    keys = order()
    found = list(batches_by_chunks(dataset(10), keys, Collate(letters), processes=processes, chunk_size=chunk_size))
    assert len(found) == len(at_once) == 12
    assert all(same_studies(one, other) for one, other in zip(found, at_once, strict=True))


def test_a_short_last_batch_has_fewer_chunks() -> None:
    keys = in_order(7, 5)
    found = list(batches_by_chunks(dataset(7), keys, Collate(letters), processes=0, chunk_size=2))
    assert [batch.study_ids for batch in found] == [("s0", "s1", "s2", "s3", "s4"), ("s5", "s6")]


def test_without_keys_there_are_no_batches() -> None:
    assert list(batches_by_chunks(dataset(7), [], Collate(letters), processes=2, chunk_size=2)) == []


def test_a_batch_asks_for_no_more_than_a_chunk_at_a_time() -> None:
    sizes: list[int] = []

    def counted(texts: list[str]) -> Tokens:
        sizes.append(len(texts) // 2)
        return letters(texts)

    list(batches_by_chunks(dataset(10), in_order(10, 5), Collate(counted), processes=0, chunk_size=2))
    assert sizes == [2, 2, 1, 2, 2, 1]


def test_a_broken_image_is_told_as_it_is() -> None:
    with pytest.raises(ImageError, match="no image"):
        list(batches_by_chunks(dataset(7, broken=3), in_order(7, 7), Collate(letters), processes=0, chunk_size=2))


@given(batch=st.integers(1, 2**33), processes=st.integers(0, 64))
def test_waiting_batches_stay_within_their_bytes_or_are_one_of_each_process(batch: int, processes: int) -> None:
    ahead = batches_ahead(batch, processes=processes, most=2**31)
    assert 1 <= ahead <= PREFETCH
    assert ahead == 1 or ahead * processes * batch <= 2**31
    assert ahead == PREFETCH or (ahead + 1) * processes * batch > 2**31  # and no fewer than there is room for


def test_large_batches_of_many_processes_wait_one_at_a_time_and_small_ones_as_before() -> None:
    assert batches_ahead(4096 * 2 * 224**2, processes=15) == 1
    assert batches_ahead(128 * 2 * 224**2, processes=15) == PREFETCH
