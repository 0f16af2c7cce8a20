"""Things are read in their order, one batch ahead and no more."""

import threading

import pytest

from cxr_clip.read_ahead import read_ahead


@pytest.mark.parametrize(("count", "batch"), [(0, 3), (1, 3), (6, 3), (7, 3), (3, 10)])
def test_lists_follow_the_order(count: int, batch: int) -> None:
    found = list(read_ahead(lambda number: number * number, range(count), batch=batch, threads=3))
    assert [value for part in found for value in part] == [number * number for number in range(count)]
    assert all(len(part) == batch for part in found[:-1])


def test_no_more_than_two_batches_are_begun() -> None:
    begun = []
    lock = threading.Lock()

    def read(number: int) -> int:
        with lock:
            begun.append(number)
        return number

    parts = read_ahead(read, range(100), batch=5, threads=2)
    next(parts)
    parts.close()  # type: ignore[attr-defined]  # a generator
    assert len(begun) <= 10


def test_the_first_error_is_raised() -> None:
    def read(number: int) -> int:
        if number > 3:
            raise ValueError(number)
        return number

    parts = read_ahead(read, range(20), batch=3, threads=4)
    assert next(parts) == [0, 1, 2]
    with pytest.raises(ValueError, match=r"^4$"):
        list(parts)
