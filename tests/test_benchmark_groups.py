"""The benchmark of groups: it measures a run, knows false alarms, and its tables say what was found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import cxr_clip
from cxr_clip.evaluate.benchmark_table import by_name
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.synthetic import synthesize_openi
from support_models import tiny_run_folder
from support_programs import benchmark


def test_groups_that_are_alike_are_seldom_told_apart() -> None:
    found = benchmark("groups").alarms(40)
    assert found["adjusted_below_level"] <= 0.15
    assert found["interval_without_zero"] >= found["adjusted_below_level"]
    assert found["mean_gap"] == pytest.approx(found["mean_by_chance"], rel=0.35)


def test_the_gap_of_alike_groups_is_of_best_and_worst() -> None:
    gap = benchmark("groups").alike(np.random.default_rng(3))
    assert gap.best != gap.worst
    assert gap.difference.value > 0
    assert gap.p <= gap.adjusted


def test_a_run_is_measured_and_the_tables_say_what_was_found(tmp_path: Path) -> None:
    groups, tables, raw, prepared = benchmark("groups"), benchmark("tables"), tmp_path / "raw", tmp_path / "prepared"
    synthesize_openi(raw, studies=50, seed=3, processes=1, image_size=48)
    prepare_openi(raw, prepared, PrepareOptions(short_side=48, processes=1))
    model = cxr_clip.load(tiny_run_folder(tmp_path / "run", prepared), device="cpu")
    whole = [replace(by_name()[f"{name}/openi"], split=None) for name in ("subgroups", "views")]
    measured = groups.figures(model, whole, prepared)
    assert list(measured) == ["subgroups", "views"]
    agreement = {
        f"{name}/macro": {"value": 0.25, "low": 0.1, "high": 0.4} for name in ("spearman/presence", "kappa/degree")
    }
    found = {
        "alarms": groups.alarms(4),
        "made_up": {
            "model": benchmark("measured_with").model_facts(model),
            "openi": measured,
            "table": {"severity": {"studies": 60, "figures": agreement}},
        },
    }
    (tmp_path / "groups.json").write_text(json.dumps(found))
    names = ("subgroups", "gaps", "alarms", "views", "severity")
    page = "".join(f"<!-- table: {name} -->\n<!-- end of table -->\n" for name in names)
    written = tables.with_tables(page, tmp_path)
    one = next(group for group in measured["subgroups"]["subgroups"]["groups"] if group["name"] == "lateral")
    (line,) = (row for row in written.splitlines() if row.startswith("| Open-I, made-up | view | lateral |"))
    assert line.startswith(f"| Open-I, made-up | view | lateral | {one['studies']} |")
    assert f"| {one['recall']['value']:.3f} (" in line
    gain = measured["views"]["figures"]["gain/image_to_text/recall_at_10/frontal"]
    assert f"{gain['value']:.3f} ({gain['low']:.3f} to {gain['high']:.3f})" in written
    assert "| mean over findings | 0.250 (0.100 to 0.400) |  |  | 0.250 (0.100 to 0.400) |" in written
    assert "| p corrected below 0.05 |" in written
