"""The benchmark of the paper's comparison: which runs it shares, and that its tables say what it wrote."""

import argparse
import json
from pathlib import Path

from cxr_clip.experiments.made_up import Manifests
from cxr_clip.experiments.trials import plan
from support_programs import benchmark

NAMES = ("auroc/macro", "image_to_text/recall_at_10", "text_to_image/recall_at_10")


def mean(value: float) -> dict[str, object]:
    return {"estimate": {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 5}, "p": 0.2}


def arm(name: str, value: float) -> dict[str, object]:
    return {"name": name, "studies": 2400, "steps": 111, "means": {name: mean(value) for name in NAMES}}


CONTRAST = {"figure": NAMES[0], "arm": "b", "against": "a", "difference": mean(0.05), "adjusted": 0.03}
RESULTS = {
    "machine": "2 cores",
    "wall_minutes": 61.4,
    "sessions": 2,
    "processor_minutes_of_runs": 14.2,
    "runs": 30,
    "first_three": {"seeds": 5, "arms": [arm("a", 0.5), arm("b", 0.55)], "chance": {NAMES[0]: 0.5}},
    "verdicts": [{"claim": {"words": "It helps."}, "contrast": CONTRAST, "outcome": "holds here"}],
    "ablation": {"seeds": 3, "arms": [arm("a", 0.5), arm("b", 0.55)], "contrasts": [CONTRAST]},
}


def test_tables_say_what_the_experiments_wrote(tmp_path: Path) -> None:
    (tmp_path / "reproduce.json").write_text(json.dumps(RESULTS))
    page = "".join(
        f"<!-- table: {name} -->\n<!-- end of table -->\n"
        for name in ("firstthree", "verdicts", "parts", "learningcurve")
    )
    lines = benchmark("tables").with_tables(page, tmp_path).splitlines()
    assert "| a | 2,400 | 111 | " + " | ".join(["0.500 (0.400 to 0.600)"] * 3) + " |" in lines
    assert "| It helps. | macro AUROC | +0.050 (-0.050 to +0.150) | 0.030 | holds here |" in lines
    assert "| b | +0.050 (-0.050 to +0.150), p 0.030 |  |  |" in lines
    assert any(line.startswith("5 seeds; chance: macro AUROC 0.500.") and "61 minutes" in line for line in lines)
    assert lines[-2:] == ["<!-- table: learningcurve -->", "<!-- end of table -->"]


def test_experiments_share_their_runs(tmp_path: Path) -> None:
    reproduce = benchmark("reproduce")
    arguments = argparse.Namespace(work=tmp_path, seeds=5, other_seeds=3, overrides=[])
    asked = reproduce.experiments(arguments, Manifests(tmp_path / "reports", tmp_path / "labels"))
    settings: dict[Path, object] = {}
    for _, experiment, pairs in asked:
        assert {name for pair in pairs for name in pair} <= {arm.name for arm in experiment.arms}
        for trial in plan(experiment.recipe, experiment.arms, experiment.out, seeds=experiment.seeds):
            assert settings.setdefault(trial.folder, trial.recipe) == trial.recipe
    assert len(settings) == 15 + 2 * 3 + 3 * 3 + 3


def test_what_was_found_so_far_is_written_with_all_sessions(tmp_path: Path) -> None:
    reproduce = benchmark("reproduce")
    for started in (10.0, 20.0):
        reproduce.Session(tmp_path, started).write()
    folder = tmp_path / "runs" / "a" / "seed-0"
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text(json.dumps({"processor_seconds": 90.0}))
    reproduce.write(argparse.Namespace(work=tmp_path, results=tmp_path / "out.json", overrides=[]), {"ablation": 1})
    content = json.loads((tmp_path / "out.json").read_text())
    assert (content["sessions"], content["runs"], content["processor_minutes_of_runs"]) == (2, 1, 1.5)
    assert content["ablation"] == 1
