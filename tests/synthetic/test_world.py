"""A folder holds one made-up world: whole worlds are passed over, begun ones drawn again, others refused."""

import hashlib
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cxr_clip.errors import SourceError
from cxr_clip.synthetic import synthesize_chestxray14, synthesize_openi
from cxr_clip.synthetic.world import VERSION, World, begin, finish

WORLD = World("openi", studies=3, seed=5, image_size=32)
WRITERS = {"openi": synthesize_openi, "chestxray14": synthesize_chestxray14}
# Of seed 5: the hash of twelve reports, and the mean grey of the pictures of the first three.
DRAWN = {1: ("2dd5d9f2457bf181", [130.0, 102.5, 122.0, 116.4, 144.0, 125.3])}


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def times(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*")}


@pytest.mark.parametrize("layout", WRITERS)
def test_a_world_that_is_there_is_passed_over(tmp_path, layout):
    heard = []
    WRITERS[layout](tmp_path / "raw", studies=3, seed=5, image_size=32)
    before = times(tmp_path)
    WRITERS[layout](tmp_path / "raw", studies=3, seed=5, image_size=32, progress=heard.append)
    assert times(tmp_path) == before
    assert heard == [3]
    told = json.loads((tmp_path / "raw" / "world.json").read_text())
    assert told == {
        "layout": layout, "studies": 3, "seed": 5, "image_size": 32, "version": VERSION, "finished": True,
    }  # fmt: skip


@pytest.mark.parametrize("layout", WRITERS)
def test_a_stopped_run_leaves_a_begun_world_and_the_next_one_makes_it_whole(tmp_path, layout):
    def stop(done):
        raise KeyboardInterrupt

    WRITERS[layout](tmp_path / "straight", studies=3, seed=5, image_size=32)
    with pytest.raises(KeyboardInterrupt):
        WRITERS[layout](tmp_path / "stopped", studies=3, seed=5, image_size=32, progress=stop)
    assert json.loads((tmp_path / "stopped" / "world.json").read_text())["finished"] is False
    WRITERS[layout](tmp_path / "stopped", studies=3, seed=5, image_size=32)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "straight")


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"layout": "chestxray14"}, "layout 'openi', not 'chestxray14'"),
        ({"studies": 4}, "studies 3, not 4"),
        ({"seed": 6}, "seed 5, not 6"),
        ({"image_size": 64}, "image_size 32, not 64"),
        ({"version": VERSION + 1}, f"version {VERSION}, not {VERSION + 1}"),
    ],
)
def test_another_world_in_the_folder_is_refused(tmp_path, change, named, whole):
    assert begin(tmp_path, WORLD)
    if whole:
        finish(tmp_path, WORLD)
    before = contents(tmp_path)
    with pytest.raises(SourceError) as caught:
        begin(tmp_path, replace(WORLD, **change))
    mend = "give another folder, or delete this one"
    assert str(caught.value) == f"{tmp_path} holds another made-up world ({named}): {mend}"
    assert contents(tmp_path) == before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"finished": true}'])
def test_a_damaged_world_file_is_named(tmp_path, text):
    (tmp_path / "world.json").write_text(text)
    with pytest.raises(SourceError, match="give another folder, or delete this one"):
        begin(tmp_path, WORLD)


def test_files_of_something_else_are_never_mixed_with_a_world(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(SourceError, match=r"holds files of something else \(images\): give a new or an empty"):
        synthesize_openi(tmp_path, studies=1, seed=0, image_size=32)
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="is a file: give a folder"):
        begin(tmp_path / "file", WORLD)


def test_a_run_that_was_killed_at_its_first_file_can_start_again(tmp_path):
    (tmp_path / ".world.json.partial").write_text("{")
    assert begin(tmp_path, WORLD)
    assert begin(tmp_path, WORLD)
    finish(tmp_path, WORLD)
    assert not begin(tmp_path, WORLD)


def test_other_pictures_or_reports_are_another_version(tmp_path):
    """Who changes what is drawn or written raises VERSION, and puts the new figures into DRAWN."""
    synthesize_openi(tmp_path, studies=12, seed=5, image_size=32)
    reports = b"".join((tmp_path / "ecgen-radiology" / f"{uid}.xml").read_bytes() for uid in range(1, 13))
    pictures = sorted(path for uid in (1, 2, 3) for path in (tmp_path / "images").glob(f"CXR{uid}_*"))
    digest, greys = DRAWN[VERSION]
    assert hashlib.sha256(reports).hexdigest()[:16] == digest
    np.testing.assert_allclose([cv2.imread(str(path), 0).mean() for path in pictures], greys, atol=0.2)
