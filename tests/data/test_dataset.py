"""What is drawn from a study depends on seed, epoch and number alone, and never shows one file twice needlessly."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_clip.data.dataset import Part, SampleKey, StudyDataset, choose_images, first_images
from cxr_clip.errors import ImageError
from cxr_clip.study import ImageFile, Split, Study, View


def study(number: int, views: tuple[View, ...] = (View.PA, View.LATERAL)) -> Study:
    images = tuple(ImageFile(path=f"{number}-{place}.png", view=view) for place, view in enumerate(views))
    return Study(id=f"s{number}", patient=f"p{number}", source="made up", split=Split.TRAIN, images=images)


class Files:
    """Pictures made from the digits of their path; remembers what was read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, image: ImageFile) -> np.ndarray:
        self.read.append(image.path)
        value = sum(int(digit) for digit in image.path if digit.isdigit())
        return np.full((4, 4), value, dtype=np.uint8)


def texts(of: Study, rng: np.random.Generator) -> tuple[str, ...]:
    return f"{of.id} {rng.integers(10**6)}", f"{of.id} {rng.integers(10**6)}"


def jitter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image + rng.integers(0, 100, image.shape, dtype=np.uint8)


def dataset(studies: list[Study], *, seed: int = 0, images: int = 2, files: Files | None = None) -> StudyDataset:
    part = Part(studies=studies, read_image=files or Files(), texts=texts)
    return StudyDataset([part], choose=choose_images, transform=jitter, images=images, seed=seed)


@given(st.integers(2, 6), st.integers(0, 10**6))
def test_two_images_are_two_files_if_there_are_two(count: int, seed: int) -> None:
    first, second = choose_images(study(0, (View.AP,) * count), np.random.default_rng(seed), count=2)
    assert first != second


def test_every_ordered_pair_of_images_comes_up_alike_often() -> None:
    rng, three = np.random.default_rng(0), study(0, (View.PA, View.AP, View.LATERAL))
    pairs = Counter(tuple(image.path for image in choose_images(three, rng, count=2)) for _ in range(3000))
    assert len(pairs) == 6
    assert all(400 < often < 600 for often in pairs.values())


def test_one_image_is_any_of_the_images() -> None:
    rng = np.random.default_rng(0)
    seen = {choose_images(study(0), rng, count=1)[0].path for _ in range(50)}
    assert seen == {"0-0.png", "0-1.png"}


def test_the_only_image_is_read_once_and_varied_twice() -> None:
    files = Files()
    sample = dataset([study(0, (View.PA,))], files=files)[SampleKey(0, 0)]
    assert files.read == ["0-0.png"]
    assert not np.array_equal(*sample.images)


def test_a_sample_is_the_same_in_any_order_and_object() -> None:
    studies = [study(number) for number in range(5)]
    keys = [SampleKey(epoch, index) for epoch in range(3) for index in range(5)]
    one, other = dataset(studies), dataset(studies)
    forwards = {key: one[key] for key in keys}
    for key in reversed(keys):
        again = other[key]
        assert again.texts == forwards[key].texts
        assert all(map(np.array_equal, again.images, forwards[key].images))
    assert len({sample.texts for sample in forwards.values()}) == len(keys)


def test_a_study_that_comes_twice_in_an_epoch_is_varied_twice() -> None:
    studies = dataset([study(0)])
    first, second = studies[SampleKey(0, 0)], studies[SampleKey(0, 0, copy=1)]
    assert first.texts != second.texts
    assert not all(map(np.array_equal, first.images, second.images))
    assert studies[SampleKey(0, 0, copy=1)].texts == second.texts


def test_another_seed_draws_differently() -> None:
    key = SampleKey(0, 0)
    assert dataset([study(0)], seed=1)[key].texts != dataset([study(0)], seed=2)[key].texts


def test_one_image_of_each_study_where_one_is_asked_for() -> None:
    assert len(dataset([study(0)], images=1)[SampleKey(0, 0)].images) == 1


def test_manifests_follow_one_another_each_with_its_own_words() -> None:
    parts = [
        Part(studies=[study(0), study(1)], read_image=Files(), texts=lambda of, _: (f"report {of.id}",)),
        Part(studies=[], read_image=Files(), texts=lambda of, _: ("never",)),
        Part(studies=[study(2)], read_image=Files(), texts=lambda of, _: (f"labels {of.id}",)),
    ]
    joint = StudyDataset(parts, choose=choose_images, transform=jitter, images=1, seed=0)
    assert len(joint) == 3
    assert [joint[SampleKey(0, index)].texts for index in range(3)] == [("report s0",), ("report s1",), ("labels s2",)]
    assert len(StudyDataset([], choose=choose_images, transform=jitter, images=1, seed=0)) == 0


def test_validation_takes_frontal_images_first() -> None:
    rng = np.random.default_rng(0)
    several = study(0, (View.LATERAL, View.UNKNOWN, View.AP, View.PA))
    assert [image.view for image in first_images(several, rng, count=2)] == [View.AP, View.PA]
    only = study(0, (View.LATERAL,))
    assert first_images(only, rng, count=2) == only.images * 2


def test_an_unreadable_image_is_told_with_its_study() -> None:
    def broken(image: ImageFile) -> np.ndarray:
        raise ImageError(f"the bytes of {image.path} are no image")

    part = Part(studies=[study(7, (View.PA,))], read_image=broken, texts=texts)
    unreadable = StudyDataset([part], choose=choose_images, transform=jitter, images=1, seed=0)
    with pytest.raises(ImageError, match=r"study 's7' of made up: the bytes of 7-0\.png are no image"):
        unreadable[SampleKey(0, 0)]
