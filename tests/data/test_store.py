"""Shards are plain tar files, and what went in at an offset comes out of it."""

import os
import pickle
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_clip.data import store as store_module
from cxr_clip.data.store import ImageStore, ShardWriter, member_name
from cxr_clip.errors import ImageError
from cxr_clip.study import ImageFile, Stored

SHARD = "shards/images-00000.tar"


def picture(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


@pytest.fixture
def stored(tmp_path: Path) -> list[ImageFile]:
    """Three images in a shard."""
    files = []
    with ShardWriter(tmp_path, SHARD) as writer:
        for seed in range(3):
            place = writer.add(member_name(f"CXR{seed}", 0, "jpg"), jpeg(picture(seed)))
            files.append(ImageFile(f"{seed}.png", stored=place, height=96, width=128))
    return files


def test_a_shard_is_a_tar_file_of_one_sample_a_study(tmp_path: Path, stored: list[ImageFile]) -> None:
    with tarfile.open(tmp_path / SHARD) as shard:
        assert shard.getnames() == ["CXR0.0.jpg", "CXR1.0.jpg", "CXR2.0.jpg"]
        for image, member in zip(stored, shard.getmembers(), strict=True):
            content = shard.extractfile(member)
            assert content is not None
            assert content.read() == jpeg(picture(int(member.name[3])))
            assert (member.offset_data, member.size) == (image.stored.offset, image.stored.length)


def test_names_longer_than_a_header_and_odd_letters_are_fine(tmp_path: Path) -> None:
    name = member_name("p1/s.2 " + "x" * 300, 3, "jpg")
    assert name.startswith("p1_s_2_")
    assert name.endswith("x.3.jpg")
    with ShardWriter(tmp_path, SHARD) as writer:
        place = writer.add(name, b"content")
    assert (tmp_path / SHARD).read_bytes()[place.offset :][: place.length] == b"content"
    with tarfile.open(tmp_path / SHARD) as shard:
        assert shard.getnames() == [name]


def test_equal_images_give_equal_shards(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        with ShardWriter(tmp_path, name) as writer:
            writer.add("1.0.jpg", b"one")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_an_error_leaves_no_shard(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ShardWriter(tmp_path, SHARD) as writer:
            writer.add("1.0.jpg", b"one")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list((tmp_path / "shards").iterdir()) == []


def test_reading_decodes_what_was_written(tmp_path: Path, stored: list[ImageFile]) -> None:
    store = ImageStore(tmp_path)
    for seed in (2, 0, 1, 2):
        decoded = store.read(stored[seed])
        assert decoded.shape == (96, 128)
        assert np.abs(decoded.astype(int) - picture(seed)).mean() < 2


@pytest.mark.parametrize(
    ("reduced_to", "height"),
    [(None, 96), (97, 96), (96, 96), (49, 96), (48, 48), (25, 48), (24, 24), (12, 12), (1, 12)],
)
def test_a_picture_comes_reduced_as_far_as_the_short_side_allows(
    tmp_path: Path, stored: list[ImageFile], reduced_to: int | None, height: int
) -> None:
    decoded = ImageStore(tmp_path).read(stored[0], reduced_to=reduced_to)
    assert decoded.shape == (height, height * 128 // 96)
    averaged = cv2.resize(picture(0), decoded.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(decoded.astype(int) - averaged).mean() < 4


def test_a_store_can_be_pickled_after_use(tmp_path: Path, stored: list[ImageFile]) -> None:
    store = ImageStore(tmp_path)
    first = store.read(stored[1])
    copy = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(copy.read(stored[1]), first)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_store_survives_a_fork(tmp_path: Path, stored: list[ImageFile]) -> None:
    store = ImageStore(tmp_path)
    expected = [store.read(image) for image in stored]
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            same = all(
                np.array_equal(store.read(image), before)
                for _ in range(20)
                for image, before in zip(stored, expected, strict=True)
            )
            os._exit(0 if same else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]


def test_few_shards_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MOST_OPEN", 3)
    images = []
    for number in range(8):
        with ShardWriter(tmp_path, f"{number}.tar") as writer:
            images.append(ImageFile("x", stored=writer.add("a", jpeg(picture(number))), height=96, width=128))
    before, store = open_files(tmp_path), ImageStore(tmp_path)
    alone = [ImageStore(tmp_path).read(image) for image in images]
    for number in [*range(8), *reversed(range(8))]:
        np.testing.assert_array_equal(store.read(images[number]), alone[number])
        assert len(open_files(tmp_path)) <= 3
    del store
    assert open_files(tmp_path) == before == []


def open_files(folder: Path) -> list[str]:
    """The files of a folder that this process has open."""
    links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [str(link) for link in links if link.is_relative_to(folder)]


def test_missing_bytes_are_named(tmp_path: Path, stored: list[ImageFile]) -> None:
    absent = Stored("shards/images-00007.tar", 512, 10)
    with pytest.raises(ImageError, match=r"images-00007\.tar: No such file"):
        ImageStore(tmp_path).read(ImageFile("x", stored=absent))
    beyond = Stored(SHARD, 10_000_000, 10)
    with pytest.raises(ImageError, match="ends before the image at byte 10000000"):
        ImageStore(tmp_path).read(ImageFile("x", stored=beyond))
    header = Stored(SHARD, 0, 512)
    with pytest.raises(ImageError, match=r"x.png in .* are no image"):
        ImageStore(tmp_path).read(ImageFile("x.png", stored=header))
    with pytest.raises(ImageError, match="prepare the data set again"):
        ImageStore(tmp_path).read(ImageFile("x.png"))
