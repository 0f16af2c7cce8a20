"""Memory that is freed and asked for again: whether the system has to clear it anew."""

import ctypes
import subprocess
import sys

import pytest

from cxr_clip import heap
from cxr_clip.heap import keep_freed_memory

PROGRAM = """
import resource, sys, torch
from cxr_clip.heap import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(20):  # the heap grows for some rounds, until there is room between what stays
    torch.ones(20_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(20_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(handling: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, handling], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="the C library is not glibc")
def test_kept_memory_is_not_cleared_again() -> None:
    """Ten blocks of 80 MB are 195,000 pages of 4 kB."""
    assert page_faults("keep") < 10_000
    assert page_faults("give back") > 100_000


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _name: object())
    assert keep_freed_memory() is False
