"""The benchmark of words: it measures what applies, knows the truth of made-up studies, and makes its tables."""

import json
from pathlib import Path

import pytest

from cxr_clip.prepare.chestxray14 import prepare_chestxray14
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.study import Box, Certainty, ImageFile, Split, Study, View
from cxr_clip.synthetic import synthesize_chestxray14
from support_models import tiny_run_folder
from support_programs import benchmark

EFFUSION = "Pleural Effusion"


def truth(side: str, severity: str, certainty: Certainty = Certainty.POSITIVE) -> dict[str, str]:
    return {"name": EFFUSION, "side": side, "severity": severity, "certainty": certainty}


@pytest.mark.parametrize(
    ("told", "answers"),
    [
        ([truth("left", "small")], [("side", "right"), ("grade", "right")]),
        ([truth("right", "large")], [("side", "wrong"), ("grade", "wrong")]),
        ([truth("left", "small"), truth("right", "small")], [("side", "wrong"), ("grade", "right")]),
        ([truth("left", "small", Certainty.UNCERTAIN)], []),
        ([], []),
    ],
)
def test_readings_are_held_to_the_truth(told: list[dict[str, str]], answers: list[tuple[str, str]]) -> None:
    text = {"findings": "Small left pleural effusion."}
    study = Study("1", "1", "openi", Split.TEST, (ImageFile("1", View.PA),), text)
    assert list(benchmark("probes").readings(study, told)) == answers


def test_what_a_study_does_not_say_is_not_known() -> None:
    boxes = (Box(EFFUSION, 0, 0.45, 0.5, 0.6, 0.9),)
    study = Study("1", "1", "openi", Split.TEST, (ImageFile("1", View.PA),), boxes=boxes)
    found = list(benchmark("probes").readings(study, [truth("left", "small")]))
    assert found == [("side", "not known"), ("grade", "not known")]


def test_a_run_is_measured_and_the_tables_say_what_was_found(tmp_path: Path) -> None:
    probes, tables = benchmark("probes"), benchmark("tables")
    raw, prepared = tmp_path / "raw", tmp_path / "prepared"
    synthesize_chestxray14(raw, studies=90, seed=3, processes=1, image_size=48)
    prepare_chestxray14(raw, prepared, PrepareOptions(short_side=48, processes=1))
    found = probes.measure(tiny_run_folder(tmp_path / "run", prepared), [prepared])
    assert list(found) == ["wording/chestxray14", "meaning/chestxray14"]
    assert 0 <= found["meaning/chestxray14"]["figures"]["negation/macro"]["value"] <= 1
    results = {
        "model": {"recipe": "tiny", "image_size": 32, "epochs": 1},
        "benchmarks": found,
        "made_up_studies": 12,
        "read": {"reports": {"side": {"right": 3, "wrong": 1, "not known": 2}}, "boxes": {}},
    }
    (tmp_path / "probes.json").write_text(json.dumps(results))
    page = "".join(f"<!-- table: {name} -->\n<!-- end of table -->\n" for name in ("wording", "meaning", "told"))
    filled = tables.with_tables(page, tmp_path)
    assert "| 12 with reports | side | 3 | 1 | 2 |" in filled
    assert "| severity | not known | 0 |" in filled
    gain = found["wording/chestxray14"]["figures"]["gain/macro"]
    assert f"| all together minus median | {gain['value']:.3f} ({gain['low']:.3f} to {gain['high']:.3f}) |" in filled
    assert f"{found['meaning/chestxray14']['studies']} of ChestX-ray14" in filled
