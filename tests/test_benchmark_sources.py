"""The benchmark of the sources: counts beside the truth, planted faults that are named and those that are not."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from support_programs import benchmark

ROOT = Path(__file__).parents[1]


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return benchmark("sources")


@pytest.mark.parametrize("source", ["openi", "chexpert_5x200"])
def test_a_miniature_is_counted_beside_its_truth(sources: ModuleType, tmp_path: Path, source: str) -> None:
    found = sources.miniature(source, tmp_path, studies=6, image_size=64)
    assert found["truth"] == found["inspected"]
    assert found["planted"] == found["planted_and_named"] > 5
    assert (found["faults_found_by_inspect"], found["named_and_not_planted"]) == (0, 0)
    (tmp_path / "sources.json").write_text(json.dumps({"miniatures": {source: found}}))
    table = benchmark("tables").with_tables("<!-- table: miniatures -->\n<!-- end of table -->\n", tmp_path)
    images, planted = found["truth"]["images"], found["planted"]
    assert f"| `{source}` | 6 | {images} | 0 | {planted} | {planted} | 0 |" in table


def test_a_planted_fault_that_is_not_named_is_seen(sources: ModuleType) -> None:
    planted = [
        {"kind": "image", "path": "a/b.png", "study": "1", "reason": "empty"},
        {"kind": "study", "path": None, "study": "2", "reason": "contradict"},
        {"kind": "absent", "path": "a/c.png", "study": "3", "reason": "not there"},
    ]
    row = {"kind": "image", "path": "x/a/b.png", "study": "1", "reason": "the file is empty"}
    follows = {"kind": "study", "path": None, "study": "1", "reason": "none of its images can be decoded"}
    surplus = {"kind": "study", "path": None, "study": "9", "reason": "contradict"}
    listed = {"kind": "image", "path": "absent.txt", "study": None, "reason": "1 of 3"}
    assert sources.match_faults(planted, [row, follows, surplus, listed], absent="a/c.png\n") == (2, 1)
    assert sources.match_faults(planted, [row], absent="") == (1, 0)


@pytest.mark.shared
def test_real_folders_are_counted_beside_what_they_hold(
    sources: ModuleType, shared_folder: Path, tmp_path: Path
) -> None:
    found = sources.real_chestxray14(shared_folder / "data", tmp_path)
    assert found["inspected"]["studies"] == found["truth"]["studies"] == 868
    assert found["absent"] == found["truth"]["absent"] == 112_120 - 868
    assert found["faults_found_by_inspect"] == []
