"""The benchmark of a newcomer's path: the steps after the quickstart, on a small run in its place."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from support_data import made_up_picture, write_tiny_manifest
from support_models import tiny_run_folder
from support_programs import benchmark


@pytest.mark.enable_socket
def test_every_step_after_the_quickstart_is_run_and_timed(tmp_path: Path) -> None:
    program = benchmark("new_user")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    tiny_run_folder(tmp_path / program.RUN, write_tiny_manifest(tmp_path / program.MANIFEST, train=4))
    Image.fromarray(made_up_picture(1)).save(tmp_path / "chest.png")
    seconds = program.use(tmp_path, tmp_path / "chest.png")
    assert list(seconds) == [
        *("classify", "embed", "index build", "search"),
        *("serve, until the page is there", "a picture's scores by HTTP"),
    ]
    assert all(value > 0 for value in seconds.values())


def test_a_step_that_fails_ends_the_program(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make nothing-of-this-name ended with 2"):
        benchmark("new_user").given(tmp_path, ["make", "nothing-of-this-name"])


def test_the_table_adds_the_steps_up(tmp_path: Path) -> None:
    (tmp_path / "new_user.json").write_text(
        json.dumps({"machine": "2 cores", "seconds": {"clone": 1.25, "search": 88.8}})
    )
    page = benchmark("tables").with_tables("<!-- table: newcomer -->\n<!-- end of table -->\n", tmp_path)
    assert page.splitlines()[3:-1] == ["| clone | 1.2 |", "| search | 88.8 |", "", "1.5 minutes in all; 2 cores."]
