"""A profile shows a few steps and changes nothing that comes out of a training."""

import json
from pathlib import Path

from cxr_clip import checkpoint
from cxr_clip.train.train_run import train_run
from support_data import write_tiny_manifest
from support_models import tiny_recipe
from support_training import same_files


def test_a_profile_has_a_trace_and_a_table_and_leaves_the_weights_alone(tmp_path: Path) -> None:
    recipe = tiny_recipe(write_tiny_manifest(tmp_path / "data"), ("train.epochs", 4))
    train_run(recipe, tmp_path / "plain", progress=False)
    trained = train_run(recipe, tmp_path / "profiled", progress=False, profile=True)
    trace = json.loads((tmp_path / "profiled" / "profile" / "trace.json").read_text())
    names = [event.get("name", "") for event in trace["traceEvents"]]
    assert sum(name.startswith("ProfilerStep#") for name in set(names)) == 3
    assert any("convolution" in name for name in names)
    assert "Self CPU" in (tmp_path / "profiled" / "profile" / "operators.txt").read_text()
    assert "trace.json" in trained.summary
    for name in (checkpoint.WEIGHTS, checkpoint.RESUME):
        assert same_files(tmp_path / "plain" / name, tmp_path / "profiled" / name)
    # Continued when it is done, the run has nothing to show, and no old trace passes for a new one.
    again = train_run(recipe, tmp_path / "profiled", progress=False, profile=True)
    assert "no profile: one needs a session of 4 steps or more" in again.summary
    assert not (tmp_path / "profiled" / "profile" / "trace.json").exists()
