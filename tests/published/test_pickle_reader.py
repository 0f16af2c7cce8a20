"""A pickle is read as data: what a checkpoint needs has its value, anything else is refused and nothing is called."""

import builtins
import os
import pickle
import random
import subprocess
import time
from collections import OrderedDict, defaultdict
from pathlib import Path

import pytest

from cxr_clip.published.pickle_reader import read_pickle
from cxr_clip.published.pickled import RefusedError
from support_published import hostile

PLAIN = {
    "words": ["left", "Überbefund", ""],
    "numbers": [0, 255, 65535, -1, 2**31, -(2**40), 1.5, float("inf")],
    "others": (None, True, False, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    3: {"inner": {"deep": [[[]]]}},
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_are_those_that_were_saved(protocol: int) -> None:
    assert read_pickle(pickle.dumps(PLAIN, protocol=protocol)) == PLAIN


def test_a_value_that_occurs_twice_is_one_value() -> None:
    shared = [1]
    read = read_pickle(pickle.dumps([shared, shared], protocol=2))
    assert isinstance(read, list)
    assert read[0] is read[1]


def test_ordered_and_default_dicts_become_dicts() -> None:
    assert read_pickle(pickle.dumps(OrderedDict(b=1, a=2), protocol=2)) == {"b": 1, "a": 2}
    assert read_pickle(pickle.dumps(defaultdict(int, {"a": 2}), protocol=2)) == {"a": 2}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    ("call", "words"),
    [
        ((os.system, "touch TRACE"), r"posix\.system"),
        ((builtins.eval, "open('TRACE', 'w')"), r"(__builtin__|builtins)\.eval"),
        ((builtins.exec, "open('TRACE', 'w')"), r"(__builtin__|builtins)\.exec"),
        ((builtins.getattr, "TRACE", "encode"), r"(__builtin__|builtins)\.getattr"),
        ((subprocess.call, ["touch", "TRACE"]), r"(subprocess|commands)\.call"),
        ((Path, "TRACE"), r"pathlib\.\w*Path"),
        ((builtins.list, "ab"), r"calls (__builtin__|builtins)\.list"),
    ],
)
def test_a_call_is_refused_by_name_and_not_made(
    call: tuple[object, ...], words: str, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RefusedError, match=words):
        read_pickle(hostile(*call, protocol=protocol))
    assert not (tmp_path / "TRACE").exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x80\x02ccollections\nOrderedDict\n)Rccollections\nOrderedDict\nR.", "call|damaged"),
        (b"\x80\x02]]R.", "calls a value"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", r"object of collections\.OrderedDict"),
        (b"\x80\x02comegaconf.nodes\nAnyNode\nK\x01\x85\x81.", r"object of omegaconf\.nodes\.AnyNode"),
        (b"\x80\x02K\x01}b.", "changes the state"),
        (b"\x80\x02comegaconf.base\nOmegaConf.create\n.", r"omegaconf\.base\.OmegaConf\.create"),
        (b"\x80\x02(iposix\nsystem\n.", "opcode 0x69"),
        (b"\x80\x02(cposix\nsystem\nX\x04\x00\x00\x00trueo.", r"posix\.system"),
        (b"\x80\x02\x82\x01.", "opcode 0x82"),
        (b"\x80\x05\x97.", "opcode 0x97"),
        (b"\x80\x02Pwhatever\n.", "opcode 0x50"),
        (b"", "damaged|does not end"),
        (b"\x80\x02", "does not end|damaged"),
        (b"\x80\x02.", "damaged"),
        (b"\x80\x02(.", "damaged"),
        (b"\x80\x02]K\x01s.", "damaged"),
        (b"\x80\x02}K\x01K\x02(K\x03u.", "damaged"),
        (b"\x80\x02h\x07.", "damaged"),
        (b"\x80\x02}]K\x01s.", "neither a word nor a number"),
        (b"\x80\x02K\x01Q.", "not described as torch does"),
        (b"not a pickle", "damaged|opcode"),
    ],
)
def test_what_no_checkpoint_has_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        read_pickle(data)


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "1/../2", "", "-1", "1" * 40, "１"])
def test_a_storage_is_named_by_a_number(key: str) -> None:
    word = key.encode()
    name = b"X" + len(word).to_bytes(4, "little") + word
    data = b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + name + b"X\x03\x00\x00\x00cpuK\x01tQ."
    with pytest.raises(RefusedError, match="by the numbers that torch gives"):
        read_pickle(data)


def test_a_file_cannot_ask_for_memory_or_time() -> None:
    """A memo entry of number four billion, a word of a gigabyte, and a key that takes 2**60 steps to hash."""
    start = time.process_time()
    assert read_pickle(b"\x80\x02Nr\xff\xff\xff\xff.") is None
    for data in (b"\x80\x02X\xff\xff\xff\x3fab.", b"\x80\x02}(" + b"K\x01" + b"q\x00h\x00\x86" * 60 + b"K\x02u."):
        with pytest.raises(RefusedError):
            read_pickle(data)
    assert read_pickle(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".") is not None
    assert time.process_time() - start < 20


def test_damaged_pickles_are_refused_or_read_and_never_crash() -> None:
    whole = pickle.dumps([PLAIN, OrderedDict(a=1), defaultdict(int, b=2)], protocol=2)
    rng = random.Random(5)
    refused = 0
    for _ in range(3000):
        spoiled = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        try:
            read_pickle(bytes(spoiled[: rng.randint(1, len(spoiled))] if rng.random() < 0.2 else spoiled))
        except RefusedError:
            refused += 1
    assert refused > 1000
