"""The zip of a checkpoint gives the tensors that were saved, and every trick with it is refused."""

import io
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch

from cxr_clip.errors import CheckpointError
from cxr_clip.published.archive import LONGEST_PICKLE, Archive, open_archive
from cxr_clip.published.pickled import StoredTensor
from support_published import archive, checkpoint, saved

DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensors_are_those_that_torch_saved(dtype: torch.dtype, tmp_path: Path) -> None:
    base = torch.arange(24).to(dtype)
    tensors = {
        "plain": base.reshape(2, 3, 4),
        "turned": base.reshape(4, 6).T,
        "part": base[5:11],
        "one": base[7].clone(),
        "channels_last": base.reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last),
    }
    with open_archive(saved(tmp_path / "some.tar", tensors)) as file:
        value = file.value()
        assert isinstance(value, dict)
        for name, tensor in tensors.items():
            read = file.tensor(value[name])
            assert read.dtype == dtype
            assert read.shape == tensor.shape
            assert torch.equal(read, tensor)


def refused(path: Path, content: bytes) -> str:
    """Why a file is refused, whether when opened, read or asked for its tensors."""
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught, open_archive(path) as file:
        read_all(file)
    assert str(path) in str(caught.value)
    assert "compare its check sum" in str(caught.value)
    return str(caught.value)


def read_all(file: Archive) -> None:
    value = file.value()
    assert isinstance(value, dict)
    for tensor in value.values():
        if isinstance(tensor, StoredTensor):
            file.tensor(tensor)


def stored(key: str, count: int, shape: str, strides: str = "(I1\nt", offset: int = 0) -> bytes:
    """The pickle of one tensor of floats by hand: `shape` and `strides` as opcodes of small numbers."""
    word = key.encode()
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX" + len(word).to_bytes(4, "little") + word
    storage += b"X\x03\x00\x00\x00cpuJ" + count.to_bytes(4, "little") + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"J" + offset.to_bytes(4, "little")
    return b"\x80\x02}X\x01\x00\x00\x00a" + tensor + numbers(shape) + numbers(strides) + b"\x89}tRs."


def numbers(listed: str) -> bytes:
    values = [int(one) for one in listed.split(",")]
    return b"(" + b"".join(b"\x8a\x08" + value.to_bytes(8, "little") for value in values) + b"t"


@pytest.mark.parametrize(
    ("pickled", "words"),
    [
        (stored("0", 4, "4", "1", offset=1), "does not fit its 4 numbers"),
        (stored("0", 4, "2,2", "2,2"), "does not fit its 4 numbers"),
        (stored("0", 4, "1000000000000", "0"), "does not fit its 4 numbers"),
        (stored("0", 4, "2,2,2", "0,0,0"), "does not fit its 4 numbers"),
        (stored("0", 4, f"{2**60}", "1"), "a size that no tensor has"),
        (stored("0", 4, f"0,{2**47},{2**47}", "1,1,1"), "does not fit its 4 numbers"),
        (stored("0", 4, "4,1", "1"), "more sizes than strides"),
        (stored("0", 4, "1,1,1,1,1,1,1,1,1", "1,1,1,1,1,1,1,1,1"), "impossible shape"),
        (stored("0", 2**31 - 1, "4", "1"), "another size than its pickle says"),
        (stored("7", 4, "4", "1"), "no part data/7"),
    ],
)
def test_a_tensor_of_absurd_size_or_place_is_refused(pickled: bytes, words: str, tmp_path: Path) -> None:
    assert words in refused(tmp_path / "some.tar", archive(pickled, {"data/0": bytes(16)}))


def test_a_bomb_is_refused_unread(tmp_path: Path) -> None:
    bomb = archive(b"\x80\x02}.", {"data/0": bytes(50_000_000)}, method=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    assert "compressed or encrypted" in refused(tmp_path / "some.tar", bomb)


def test_a_pickle_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    assert "more than 4,194,304 bytes" in refused(tmp_path / "some.tar", archive(b"\x80\x02" + b"N" * LONGEST_PICKLE))


def test_parts_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """Many directory entries for one part: each is as large as it says, and together they are larger than the file."""
    content = bytearray(archive(b"\x80\x02}.", {"data/0": bytes(5000), "data/1": b""}))
    place = content.rindex(b"PK\x01\x02")  # the directory entry of data/1
    first = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 60)
    first = content.index(b"data/0", first) - 46 - len("tiny/")
    content[place + 16 : place + 28] = content[first + 16 : first + 28]  # check sum and both sizes
    content[place + 42 : place + 46] = content[first + 42 : first + 46]  # where it lies
    assert "more bytes than the file has" in refused(tmp_path / "some.tar", bytes(content))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["tiny/data.pkl", "tiny/data.pkl"], "one folder"),
        (["tiny/data.pkl", "other/data.pkl"], "one folder"),
        (["tiny/data.pkl", "../../evil"], "one folder"),
        (["data.pkl"], "no part data.pkl"),
        (["/data.pkl"], ""),
        (["tiny/../data.pkl"], "no part data.pkl"),
        ([], "one folder"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_of_parts_lead_nowhere(names: list[str], words: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, pickle.dumps({}, protocol=2))
    if words:
        assert words in refused(tmp_path / "some.tar", buffer.getvalue())
    else:
        (tmp_path / "some.tar").write_bytes(buffer.getvalue())
        with open_archive(tmp_path / "some.tar") as read:
            assert read.value() == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some.tar"]


@pytest.mark.parametrize("content", [b"", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"<html>", bytes(4096)])
def test_what_is_no_zip_is_refused(content: bytes, tmp_path: Path) -> None:
    assert "no whole zip as torch.save writes" in refused(tmp_path / "some.tar", content)


def test_numbers_of_the_other_byte_order_are_refused(tmp_path: Path) -> None:
    big = archive(b"\x80\x02}.", {"byteorder": b"big"})
    assert "not little-endian" in refused(tmp_path / "some.tar", big)


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no file at"), open_archive(tmp_path / "none.tar"):
        pass


def test_spoiled_files_are_refused_or_read_and_never_crash(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.tar", {"a": torch.arange(6.0), **checkpoint()["config"]}).read_bytes()
    path = tmp_path / "spoiled.tar"
    rng = random.Random(11)
    outcomes = set()
    for _ in range(200):
        spoiled = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        path.write_bytes(spoiled[: rng.randrange(len(spoiled))] if rng.random() < 0.2 else spoiled)
        try:
            with open_archive(path) as file:
                read_all(file)
            outcomes.add("read")
        except CheckpointError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
