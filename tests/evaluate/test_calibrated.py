"""A calibration applied to studies that it was not fitted on, in the figures and on the page."""

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    brier_score_loss,
    coverage_error,
    f1_score,
    label_ranking_average_precision_score,
    recall_score,
)

from cxr_clip.calibration import read_calibration, write_calibration
from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.errors import CheckpointError
from cxr_clip.evaluate.apply_calibration import apply_calibration
from cxr_clip.evaluate.benchmarks import EvaluationOptions, evaluate_manifest
from cxr_clip.evaluate.calibrate import CalibrationRequest, calibrate_findings, calibrate_run
from cxr_clip.evaluate.calibrated_page import section
from cxr_clip.evaluate.evaluate_run import BenchmarkRequest, EvaluationRequest, evaluate_benchmarks, evaluate_run
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.score_findings import score_studies
from cxr_clip.study import Split
from support_data import write_tiny_manifest
from support_models import tiny_run_folder

OPTIONS = EvaluationOptions(resamples=100, min_positives=2, gallery=0)


@pytest.fixture
def calibrations(world_of, embedder, prompts):
    world = world_of(200, seed=5, noise=60.0)
    scores = score_studies(
        embedder, world.studies, prompts["standard"], read_image=world.read, benchmark="zero_shot/standard"
    )
    return calibrate_findings(scores, prompts["standard"], style="standard", min_positives=10)


@pytest.fixture
def results(world_of, embedder, prompts):
    world = world_of(200, seed=6, noise=60.0)
    return evaluate_manifest(embedder, world.studies, read_image=world.read, prompts=prompts, options=OPTIONS)


def applied(results, calibrations):
    return apply_calibration(results, calibrations, origin="Fitted there.", scale=14.0, resamples=100, seed=0)


def test_what_was_chosen_there_is_measured_here(results, calibrations):
    found = applied(results, calibrations)
    assert found.benchmark == "zero_shot/standard"
    for one, scores in zip(found.findings, results[0].scores, strict=True):
        there = calibrations[one.finding]
        for point in one.points:
            said = scores.scores >= there.thresholds[point.rule].score
            assert point.sensitivity.value == pytest.approx(recall_score(scores.labels, said))
            assert point.specificity.value == pytest.approx(recall_score(~scores.labels, ~said))
        probabilities = np.array([there.probability(score).value for score in scores.scores])
        fitted = one.fits["temperature and bias"]
        assert fitted.brier == pytest.approx(brier_score_loss(scores.labels, probabilities))
        assert fitted.error_equal_mass < one.fits["own scale"].error_equal_mass
        assert sum(each.observed.n for each in one.bins) == one.n == len(scores.labels)
        assert one.sets.positive_kept.low < 0.95
        assert one.sets.positive_kept.high > 0.85


@pytest.mark.parametrize(("rule", "behind"), [("youden", ""), ("f1", "_at_best_f1")])
def test_answers_together_are_scikit_learns_at_thresholds_of_validation(results, calibrations, rule, behind):
    scores = results[0].scores
    said = np.stack([one.scores >= calibrations[one.finding].thresholds[rule].score for one in scores], axis=1)
    true = np.stack([one.labels for one in scores], axis=1)
    found = applied(results, calibrations).together
    for average in ("micro", "macro"):
        one = found[f"{average}_f1{behind}"]
        assert one.value == pytest.approx(f1_score(true, said, average=average))
        assert one.low < one.value < one.high
    assert found[f"exact_match{behind}"].value == pytest.approx((said == true).all(axis=1).mean())


def test_the_order_of_findings_is_that_of_fitted_probabilities(results, calibrations):
    scores = results[0].scores
    true = np.stack([one.labels for one in scores], axis=1)
    odds = np.stack(
        [calibrations[one.finding].slope * one.scores + calibrations[one.finding].intercept for one in scores], axis=1
    )
    some = true.any(axis=1)
    found = applied(results, calibrations).together
    assert found["coverage_error"].value == pytest.approx(coverage_error(true[some], odds[some]))
    precision = label_ranking_average_precision_score(true[some], odds[some])
    assert found["ranking_precision"].value == pytest.approx(precision)
    assert found["coverage_error"].high < found["coverage_error_chance"].value
    assert found["ranking_precision"].low > found["ranking_precision_chance"].value
    assert found["ranking_precision"].n == some.sum()


def test_a_calibration_from_before_the_rule_of_f1_still_serves(results, calibrations):
    older = {name: replace(one, thresholds={"youden": one.thresholds["youden"]}) for name, one in calibrations.items()}
    found = applied(results, older).together
    assert "micro_f1" in found
    assert "micro_f1_at_best_f1" not in found


def test_a_calibration_of_other_prompts_is_not_applied(results, calibrations):
    other = {name: replace(one, positive_prompts=("else",)) for name, one in calibrations.items()}
    assert applied(results, other) is None
    edema = {"Edema": calibrations["Edema"]}
    assert [one.finding for one in applied(results, edema).findings] == ["Edema"]


def test_page_and_json_show_it_with_its_origin(results, calibrations, tmp_path):
    found = applied(results, calibrations)
    page = html.unescape(write_report(tmp_path, results, run_title="A run", calibrated=found).read_text("utf-8"))
    for words in ("Operating points", "Fitted there.", "Reliability of Edema", *found.protocol):
        assert words in page
    content = json.loads((tmp_path / "report.json").read_text("utf-8"))["calibrated"]
    assert content["findings"][0]["points"][0]["threshold"]["score"] == found.findings[0].points[0].threshold.score
    bare = write_report(tmp_path, results, run_title="A run").read_text("utf-8")
    assert "Operating points" not in bare


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"), train=2, validate=48, test=16)


@pytest.fixture
def run(manifest: Path, tmp_path: Path) -> Path:
    return tiny_run_folder(tmp_path / "run", manifest)


def calibrated_of(run: Path, manifest: Path, split: Split = Split.TEST):
    evaluate_run(run, EvaluationRequest(manifest, split=split, options=OPTIONS))
    return json.loads((run / "report.json").read_text())["calibrated"]


def test_an_evaluation_takes_the_runs_own_calibration_or_fits_one_on_validation(run: Path, manifest: Path) -> None:
    fitted = calibrated_of(run, manifest)
    assert fitted["protocol"][0].startswith("Fitted on the validation split of this manifest, 'standard' prompts")
    assert read_calibration(run) is None
    calibrate_run(run, CalibrationRequest(manifest))
    own = calibrated_of(run, manifest)
    assert own["protocol"][0].startswith("Fitted on the split 'validate' of ")
    assert own["findings"] == fitted["findings"]


def test_validation_is_not_measured_with_what_was_fitted_on_it(run: Path, manifest: Path) -> None:
    assert calibrated_of(run, manifest, Split.VALIDATE) is None
    assert json.loads((run / "report.json").read_text())["details"]["Calibration"].startswith("not shown: it needs")
    calibrate_run(run, CalibrationRequest(manifest))
    assert calibrated_of(run, manifest, Split.VALIDATE) is None


def test_a_stale_calibration_stops_an_evaluation(run: Path, manifest: Path) -> None:
    calibration = calibrate_run(run, CalibrationRequest(manifest))
    write_calibration(run, replace(calibration, weights="of others"))
    with pytest.raises(CheckpointError, match="fitted for other weights"):
        calibrated_of(run, manifest)


def test_a_benchmark_of_the_table_shows_its_calibration_too(run: Path, tmp_path: Path) -> None:
    folder = write_tiny_manifest(tmp_path / "data", train=2, validate=48, test=24)
    studies = [replace(study, source="chestxray14") for study in read_manifest(folder)]
    with ManifestWriter(folder / "manifest.parquet") as file:
        for study in studies:
            file.write(study)

    def report_of(name: str) -> dict[str, Any]:
        evaluate_benchmarks(run, BenchmarkRequest((folder,), (name,), OPTIONS), out=tmp_path / "out", device="cpu")
        found: dict[str, Any] = json.loads((tmp_path / "out" / "report.json").read_text())
        return found

    fitted = report_of("zero_shot/chestxray14")
    assert fitted["calibrated"]["benchmark"] == "zero_shot/chestxray14"
    assert fitted["calibrated"]["findings"]
    assert fitted["details"]["Calibration"].startswith("Fitted on the validation split of this manifest")
    calibrate_run(run, CalibrationRequest(folder))
    own = report_of("zero_shot/chestxray14")
    assert own["details"]["Calibration"].startswith("Fitted on the split 'validate' of ")
    assert own["calibrated"]["findings"] == fitted["calibrated"]["findings"]
    assert report_of("wording/chestxray14")["calibrated"] is None


def test_of_one_finding_alone_there_are_no_figures_of_all_findings_together(results, calibrations):
    name = next(iter(calibrations))
    alone = applied(results, {name: calibrations[name]})
    assert [one.finding for one in alone.findings] == [name]
    assert alone.together == {}


def test_shares_of_the_page_and_their_intervals_have_a_unit(results, calibrations):
    for row in section(applied(results, calibrations)).rows:
        for cell in (*row.points, row.positive_kept, row.negative_kept):
            assert re.fullmatch(r"\d+\s%", cell.value)
            assert re.fullmatch(r"\d+ – \d+\s%", cell.interval)
