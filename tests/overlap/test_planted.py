"""What is planted in a small world is found, and named with the study that it came from; the tables say so."""

import json
from pathlib import Path

import pytest

from cxr_clip.study import Split
from support_overlap import LONG, Case, radiograph, write_cases
from support_programs import benchmark


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cases = [
        Case(f"s{number}", f"p{number}", radiograph(700 + number, 256), LONG.format(number)) for number in range(70)
    ]
    return write_cases(tmp_path_factory.mktemp("base"), cases, split=Split.TRAIN)


def test_plants_are_found_by_their_kind_and_nothing_else_is(base: Path, tmp_path: Path) -> None:
    overlap, tables = benchmark("overlap"), benchmark("tables")
    planted = overlap.plant(base, tmp_path, of_each=2, studies=70)
    found, embedded = overlap.audit_planted(planted, None)
    figures = overlap.figures(found, planted, embedded)
    assert len(planted.truth) == 2 * len(overlap.PLANTS)
    by = {what: one["found by"] for what, one in figures["planted"].items()}
    assert figures["kinds"]["same pixels"] == {"hits": 2, "right": 2}
    for what in (
        overlap.EXACT,
        overlap.PIXELS,
        "compressed, JPEG quality 50",
        "1.5 times the size",
        "25 grey levels brighter",
    ):
        assert by[what] == {"hash": 2, "patient": 0, "report": 0}
    assert by["5 % cropped at each edge"]["hash"] == 0
    assert by[overlap.PATIENT] == {"hash": 0, "patient": 2, "report": 0}
    assert by[overlap.REPORT] == {"hash": 0, "patient": 0, "report": 2}
    assert all(kind["right"] == kind["hits"] for kind in figures["kinds"].values())
    told = {"planted": {"small": figures}, "speed": [], "machine": "m"}
    (tmp_path / "overlap.json").write_text(json.dumps(told))
    table = tables.with_tables("<!-- table: overlap -->\n<!-- end of table -->\n", tmp_path)
    assert "| the same file | 1.00 |" in table
    assert "| another study of the patient (by patient) | 1.00 | 1.00 | 1.00 |" in table


@pytest.mark.parametrize("way", ["hash", "embedding"])
def test_a_speed_is_told_with_its_memory(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark("overlap").one_speed(way, 20, 500)
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {"seconds", "processor", "extra_mb"}
    assert told["extra_mb"] < 50
