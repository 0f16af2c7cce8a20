"""The benchmarks of what a run learns on: it takes up a run, pairs what is compared, and makes its tables."""

import json
from pathlib import Path

import pytest
import torch
from scipy.stats import ttest_rel

from cxr_clip.checkpoint import load_run
from support_data import write_tiny_manifest
from support_models import tiny_run_folder
from support_programs import benchmark


def test_a_change_is_the_mean_of_paired_differences_with_students_interval() -> None:
    pairs = [(0.50, 0.61), (0.52, 0.60), (0.47, 0.62)]
    found = benchmark("negation").change(pairs)
    oracle = ttest_rel([second for _, second in pairs], [first for first, _ in pairs]).confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((oracle.low, oracle.high))
    assert found["value"] == pytest.approx(found["with"] - found["without"])


def test_a_run_learns_on_with_its_text_tower_alone(tmp_path: Path) -> None:
    negation = benchmark("negation")
    manifest = write_tiny_manifest(tmp_path / "prepared", train=8, test=6, label_only_every=None)
    run = tiny_run_folder(tmp_path / "run", manifest)
    settings = {"data.hard_negatives": 1, "train.epochs": 1}
    further = negation.learn_on(run, manifest, settings, overrides=["train.batch_size=4"])
    assert (further.recipe.data.hard_negatives, further.recipe.data.texts_per_study) == (1, 1)
    before, after = load_run(run).model.state_dict(), further.model.state_dict()
    moved = {name.split(".")[0] for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == {"text", "text_projection", "image_projection", "log_scale"}
    assert "retrieval image_to_text/recall_at_10" in negation.measured(further, manifest)


def test_the_table_has_both_means_and_the_interval_of_the_change(tmp_path: Path) -> None:
    pairs = [
        {"without": {"meaning negation/macro": 0.5}, "with": {"meaning negation/macro": 0.6}},
        {"without": {"meaning negation/macro": 0.5}, "with": {"meaning negation/macro": 0.7}},
    ]
    results = {
        "model": {"recipe": "tiny", "image_size": 32, "epochs": 1},
        "epochs": 1,
        "training": 40,
        "evaluated": 6,
        "start": {"meaning negation/macro": 0.4},
        "seeds": pairs,
        "changes": benchmark("negation").changes(pairs),
    }
    (tmp_path / "negation.json").write_text(json.dumps(results))
    page = benchmark("tables").with_tables("<!-- table: negation -->\n<!-- end of table -->\n", tmp_path)
    assert "| `negation` | 0.400 | 0.500 | 0.650 | 0.150 (-0.485 to 0.785) |" in page
    assert "Means over 2 seeds" in page
