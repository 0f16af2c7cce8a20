"""Work in the background: in order, without holding up who gives it, and never silent about what went wrong."""

import threading

import pytest

from cxr_clip.background import THREAD, Background


def at_work() -> bool:
    return any(thread.name == THREAD for thread in threading.enumerate())


def fail() -> None:
    raise OSError(28, "No space left on device")


def test_work_is_done_in_the_order_of_giving() -> None:
    done: list[int] = []
    with Background() as background:
        for number in range(1000):
            background.submit(lambda number=number: done.append(number))
    assert done == list(range(1000))


def test_giving_work_does_not_wait_for_it() -> None:
    go, done = threading.Event(), []
    with Background() as background:
        background.submit(go.wait)
        background.submit(lambda: done.append(1))
        assert not done
        go.set()
        background.wait()
        assert done == [1]


def test_the_thread_ends_with_its_work() -> None:
    background = Background()
    for _ in range(3):
        background.submit(lambda: None)
        background.wait()
        assert not at_work()


@pytest.mark.parametrize("tell", [Background.wait, Background.check, lambda background: background.submit(fail)])
def test_what_went_wrong_is_told_once_and_the_rest_is_dropped(tell) -> None:
    go, done = threading.Event(), []
    background = Background()
    background.submit(go.wait)
    background.submit(fail)
    background.submit(lambda: done.append(1))
    go.set()
    background._join()
    with pytest.raises(OSError, match="No space left"):
        tell(background)
    background.wait()
    assert done == []


def test_the_end_of_the_block_tells_too() -> None:
    with pytest.raises(OSError, match="No space left"), Background() as background:
        background.submit(fail)


def test_an_error_of_the_block_itself_is_not_hidden() -> None:
    background = Background()
    background.submit(fail)
    with pytest.raises(KeyError), background:
        raise KeyError
    assert not at_work()
