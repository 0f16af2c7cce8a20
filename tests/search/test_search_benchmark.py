"""The benchmark of search runs, and its tables show what it found."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from support_programs import environment

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_benchmark_of_search_measures_both_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    file = tmp_path / "search.json"
    command = [sys.executable, BENCHMARKS / "search.py", "--tiny", "--results", file]
    subprocess.run(command, check=True, capture_output=True, env=environment(), timeout=120)
    told = json.loads(file.read_text())
    for data in ("clustered", "uniform"):
        exact, *lists = told[data]
        assert exact["recall_at_10"] > 0.98
        recalls = [one["recall_at_10"] for one in lists]
        assert recalls == sorted(recalls)
        (chosen,) = [one for one in lists if one["chosen"]]
        assert chosen["recall_when_built"] >= 0.95
    pages = importlib.import_module("tables")
    shown = pages.with_tables("<!-- table: search -->\n<!-- end of table -->\n", tmp_path)
    assert f"| clustered | exact | {told['clustered'][0]['build_seconds']:.1f} |" in shown
    assert "lists (chosen) |" in shown
    folder = pages.with_tables("<!-- table: searchfolder -->\n<!-- end of table -->\n", tmp_path)
    assert f"| search of ten studies, ms | {told['folder']['search_ms']} |" in folder
