"""Several processes give what one gives, in order, and say why where they cannot."""

import os
import subprocess
import sys
from itertools import count

import pytest

from cxr_clip.errors import SourceError
from cxr_clip.synthetic.processes import in_order


def square(number: int) -> int:
    return number**2


def die_at_five(number: int) -> int:
    if number == 5:
        os._exit(7)
    return number


def fail_at_five(number: int) -> float:
    return 1 / (5 - number)


def test_results_come_in_order_and_progress_counts_them():
    heard: list[int] = []
    assert list(in_order(square, range(40), processes=2, progress=heard.append)) == [n**2 for n in range(40)]
    assert heard == list(range(1, 41))


def test_what_is_under_way_is_bounded():
    jobs = count()
    results = in_order(square, jobs, processes=2, progress=None)
    assert [next(results) for _ in range(3)] == [0, 1, 4]
    results.close()
    assert next(jobs) <= 20


def test_a_process_that_dies_ends_the_work_with_a_sentence():
    with pytest.raises(SourceError, match=r"was killed.*again with fewer processes"):
        list(in_order(die_at_five, range(40), processes=2, progress=None))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_fault_of_the_work_is_raised_as_it_is(processes):
    with pytest.raises(ZeroDivisionError):
        list(in_order(fail_at_five, range(40), processes=processes, progress=None))


@pytest.mark.parametrize("write", ["synthesize_openi", "synthesize_chestxray14"])
def test_a_script_that_cannot_start_processes_is_told_why(tmp_path, write):
    script = tmp_path / "unguarded.py"
    script.write_text(
        f"from pathlib import Path\nfrom cxr_clip.synthetic import {write}\n"
        f"{write}(Path(__file__).parent / 'raw', studies=4, seed=0, processes=2, image_size=32)\n"
        "print('written')\n"
    )
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, timeout=120)
    assert done.stdout == ""
    assert "SourceError: processes for drawing cannot be started: put what your script does under" in done.stderr
