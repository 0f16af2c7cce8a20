"""The benchmarks of hard negatives and house styles: their trainings, pairs of what is compared, and their tables."""

import json
from pathlib import Path

import pytest
from scipy.stats import ttest_rel

from cxr_clip.data.manifest import read_manifest
from cxr_clip.experiments.made_up import World, make_world
from cxr_clip.quickstart import Places, quickstart_recipe
from cxr_clip.recipe import load_recipe
from cxr_clip.synthetic import HouseStyle
from cxr_clip.train.train_run import train_run
from support_data import write_tiny_manifest
from support_programs import benchmark


def test_a_change_is_the_mean_of_paired_differences_with_students_interval() -> None:
    pairs = [(0.50, 0.61), (0.52, 0.60), (0.47, 0.62)]
    found = benchmark("negation").change(pairs)
    oracle = ttest_rel([second for _, second in pairs], [first for first, _ in pairs]).confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((oracle.low, oracle.high))
    assert found["value"] == pytest.approx(found["with"] - found["without"])


def test_a_training_learns_from_reports_alone_and_is_read_when_it_is_there(tmp_path: Path) -> None:
    reports = benchmark("reports_alone")
    manifest = write_tiny_manifest(tmp_path / "prepared", train=8, test=6, label_only_every=None)
    recipe = reports.recipe_of(manifest, seed=3, epochs=1, overrides=["train.batch_size=4"])
    assert (recipe.train.seed, len(recipe.data.sources)) == (3, 1)
    run = reports.trained(recipe, tmp_path / "run")
    written = (tmp_path / "run" / "weights.safetensors").stat().st_mtime_ns
    assert reports.trained(recipe, tmp_path / "run").recipe == run.recipe
    assert (tmp_path / "run" / "weights.safetensors").stat().st_mtime_ns == written
    assert "retrieval image_to_text/recall_at_10" in benchmark("negation").measured(run, manifest)


def test_both_trainings_go_on_from_the_quickstart_and_differ_in_hard_negatives_alone(tmp_path: Path) -> None:
    program, places = benchmark("negation"), Places(tmp_path / "data", tmp_path / "quickstart")
    for source in ("openi", "chestxray14"):
        write_tiny_manifest(places.manifest(source), train=40, test=12)
    settings = ("train.epochs=1", "train.validate_epochs=1", "train.precision=fp32")
    train_run(quickstart_recipe(places, settings), places.run, progress=False)
    figures = program.of_seed(0, asked=program.Asked(tmp_path, places, epochs=1, learning_rate=1e-4))
    assert figures["with"].keys() == figures["without"].keys() >= {"retrieval image_to_text/recall_at_10"}
    without, with_them = (load_recipe(tmp_path / f"{way}-0" / "recipe.yaml") for way in ("without", "with"))
    assert (without.data.hard_negatives, with_them.data.hard_negatives) == (0, 1)
    assert without.model.start_from == str(places.run)
    alike = with_them.model_copy(update={"data": with_them.data.model_copy(update={"hard_negatives": 0})})
    assert alike == without


def test_a_style_changes_the_words_and_neither_pictures_nor_labels(tmp_path: Path) -> None:
    styles = benchmark("house_styles")
    base = make_world(tmp_path / "world", World(reports=6, labels=2)).reports
    terse = read_manifest(styles.write_style(base, tmp_path / "terse", HouseStyle.TERSE))
    drawn = read_manifest(base)
    assert [study.images for study in terse] == [study.images for study in drawn]
    assert [study.findings for study in terse] == [study.findings for study in drawn]
    assert any(one.sections != other.sections for one, other in zip(terse, drawn, strict=True))


def test_the_table_has_both_means_and_the_interval_of_the_change(tmp_path: Path) -> None:
    pairs = [
        {"without": {"meaning negation/macro": 0.5}, "with": {"meaning negation/macro": 0.6}},
        {"without": {"meaning negation/macro": 0.5}, "with": {"meaning negation/macro": 0.7}},
    ]
    results = {
        "epochs": 1,
        "learning_rate": 5e-4,
        "settings": [],
        "evaluated": 6,
        "before": {"meaning negation/macro": 0.45},
        "seeds": pairs,
        "changes": benchmark("negation").changes(pairs),
    }
    (tmp_path / "negation.json").write_text(json.dumps(results))
    page = benchmark("tables").with_tables("<!-- table: negation -->\n<!-- end of table -->\n", tmp_path)
    assert "| `negation` | 0.450 | 0.500 | 0.650 | 0.150 (-0.485 to 0.785) |" in page
    assert "Means over 2 seeds" in page
