"""Spoiled files give a picture, a prepared folder or a plain reason: never a crash, a hang, or memory without bound."""

from pathlib import Path

import pytest

from fuzz.campaign import campaign
from fuzz.targets import OTHERS, run_once, sources

INPUTS = {"dicom": 300, "images": 300} | dict.fromkeys([*sources(), *OTHERS], 12)


@pytest.mark.parametrize("target", INPUTS)
def test_spoiled_files_never_do_more_than_be_refused(target: str, tmp_path: Path) -> None:
    assert list(campaign(target, tmp_path, seed=7, first=0, inputs=INPUTS[target])) == []


def test_whatever_else_is_raised_is_found() -> None:
    def crash(_: object) -> None:
        raise ZeroDivisionError("never")

    assert "ZeroDivisionError at test_fuzz.py" in (run_once(crash, "seed") or "")
