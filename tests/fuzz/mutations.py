"""Spoil bytes in the ways in which files are spoiled: cut, doubled, overwritten, joined with others, made absurd."""

import random
import struct
from collections.abc import Callable, Sequence

INTEGERS = (0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
TOKENS = (
    b"", b"\0", b"\n", b'"', b",", b",,,", b"\xef\xbb\xbf", b"\xff\xfe", b"nan", b"-1", b"1e999", b"9" * 40, b"-9" * 9,
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<a>", b"</a>", b"]]>", b"../../x", b"\\", b"{}", b"[]", b"'",
    b"\xff\xd8\xff\xda", b"\xff\xc0\x00\x0b", b"\xff\x4f\xff\x51", b"\xfe\xff\x00\xe0", b"\xff\xff\xff\xff", b"DICM",
)  # fmt: skip

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def _place(data: bytearray, rng: random.Random) -> int:
    """A place in the data; as often as not near the start, where headers are."""
    end = len(data) if rng.random() < 0.5 else min(len(data), 1200)
    return rng.randrange(end + 1)


def flip(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """Turn one bit round."""
    if data:
        data[_place(data, rng) % len(data)] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """Put a number of 1, 2 or 4 bytes in place of what was there."""
    kind = rng.choice("B<H>H<I>I".replace("<", " <").replace(">", " >").split())
    mask = (1 << 8 * struct.calcsize(kind)) - 1
    place = _place(data, rng)
    number = struct.pack(kind, rng.choice(INTEGERS) & mask)
    data[place : place + len(number)] = number


def cut(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """Lose the end."""
    del data[_place(data, rng) :]


def lose(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """Lose a part."""
    place = _place(data, rng)
    del data[place : place + rng.choice((1, 2, 4, 16, 300))]


def double(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """Have a part many times."""
    place, length = _place(data, rng), rng.choice((1, 8, 64, 400))
    data[place:place] = bytes(data[place : place + length]) * rng.choice((1, 2, 50))


def insert(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """Have something that means something elsewhere."""
    place = _place(data, rng)
    data[place : place + rng.choice((0, 1, 4))] = rng.choice(TOKENS)


def noise(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """Have random bytes."""
    place, length = _place(data, rng), rng.choice((1, 4, 30))
    data[place : place + length] = rng.randbytes(length)


def join(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Go on as another file does."""
    other = rng.choice(others)
    data[_place(data, rng) :] = other[rng.randrange(len(other) + 1) :]


MUTATIONS: tuple[Mutation, ...] = (flip, flip, overwrite, overwrite, cut, lose, double, insert, noise, join)


def mutated(seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """One of the seeds, spoiled one to six times."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        rng.choice(MUTATIONS)(data, rng, seeds)
    return bytes(data)
