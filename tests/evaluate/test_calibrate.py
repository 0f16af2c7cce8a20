"""A run and a validation split in, calibration.json out; never from the test split."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from cxr_clip.calibration import CALIBRATION, read_calibration
from cxr_clip.data.manifest import ManifestWriter, read_manifest
from cxr_clip.errors import CheckpointError, EvaluationError, PromptError
from cxr_clip.evaluate import calibrate
from cxr_clip.evaluate.benchmarks import EvaluationOptions
from cxr_clip.evaluate.calibrate import CalibrationRequest, calibrate_findings, calibrate_run
from cxr_clip.evaluate.evaluate_run import EvaluationRequest, evaluate_run
from cxr_clip.evaluate.score_findings import score_studies
from cxr_clip.evaluate.scores import read_scores
from cxr_clip.study import Certainty, Split
from support_data import write_tiny_manifest
from support_models import tiny_run_folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_manifest(tmp_path_factory.mktemp("manifest"), train=2, validate=16, test=12)


@pytest.fixture(scope="module")
def run(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run_folder(tmp_path_factory.mktemp("run"), manifest)


def test_a_calibration_is_fitted_on_validation_and_read_back(run, manifest):
    request = CalibrationRequest(manifest, min_positives=3)
    calibration = calibrate_run(run, request)
    assert calibration == read_calibration(run)
    assert (calibration.manifest, calibration.split) == (manifest.name, Split.VALIDATE)
    studies = read_manifest(manifest).where(split=Split.VALIDATE)
    for name, one in calibration.findings.items():
        said = [study.findings[name] for study in studies]
        assert (one.n, one.positives, one.patients) == (16, said.count("positive"), 16)
        assert one.style == "standard"
        assert name.lower() in one.positive_prompts[0].lower()


def test_scores_of_a_calibration_are_those_of_an_evaluation(run, manifest, tmp_path):
    # The same studies evaluated: the thresholds do there what the calibration says of them.
    calibration = calibrate_run(run, CalibrationRequest(manifest, min_positives=3))
    request = EvaluationRequest(
        manifest,
        split=Split.VALIDATE,
        styles=("standard",),
        options=EvaluationOptions(resamples=100, min_positives=3, gallery=0),
    )
    evaluate_run(run, request, out=tmp_path)
    kept = {one.finding: one for one in read_scores(tmp_path)}
    assert kept.keys() == calibration.findings.keys()
    for name, one in calibration.findings.items():
        for threshold in one.thresholds.values():
            said = kept[name].scores >= threshold.score - 1e-9
            assert said[kept[name].labels].mean() == pytest.approx(threshold.sensitivity)


def test_probabilities_of_made_up_scores_find_the_line_that_made_them(world, embedder, prompts):
    scores = score_studies(
        embedder, world.studies, prompts["standard"], read_image=world.read, benchmark="zero_shot/standard"
    )
    assert [one.finding for one in scores] == list(prompts["standard"])
    rng = np.random.default_rng(0)
    (one,) = scores[:1]
    many = np.tile(one.scores, 100)
    labels = rng.random(len(many)) < expit(3 * many - 0.5)
    repeated = type(one)(
        one.benchmark,
        one.finding,
        one.studies * 100,
        tuple(map(str, range(len(many)))),
        one.splits * 100,
        labels,
        many,
    )
    found = calibrate_findings([repeated], prompts["standard"], style="standard", min_positives=5)[one.finding]
    for score in (-0.5, 0.0, 0.5):
        value, low, high = found.probability(score)
        assert low < value < high
        assert low - 0.02 < expit(3 * score - 0.5) < high + 0.02


def test_the_test_split_is_refused_and_so_is_what_cannot_be_fitted(run, manifest, tmp_path):
    with pytest.raises(EvaluationError, match="not fitted on the test split"):
        calibrate_run(run, CalibrationRequest(manifest, split=Split.TEST))
    with pytest.raises(EvaluationError, match="no finding has 10 positive and 10 negative studies"):
        calibrate_run(run, CalibrationRequest(manifest))
    with pytest.raises(PromptError, match="no-such-style"):
        calibrate_run(run, CalibrationRequest(manifest, style="no-such-style"))
    with pytest.raises(CheckpointError, match="is not a run folder"):
        calibrate_run(tmp_path, CalibrationRequest(manifest))
    empty = write_tiny_manifest(tmp_path / "empty", train=2, validate=0, test=2)
    with pytest.raises(EvaluationError, match="has no study in the split 'validate'"):
        calibrate_run(run, CalibrationRequest(empty))


def relabelled(manifest: Path, folder: Path, change: Callable[[dict[str, Certainty]], dict[str, Certainty]]) -> Path:
    """A copy of a manifest, its shards too, whose studies have other labels."""
    shutil.copytree(manifest, folder)
    with ManifestWriter(folder / "manifest.parquet") as writer:
        for study in read_manifest(manifest):
            writer.write(replace(study, findings=change(dict(study.findings))))
    return folder


def all_negative(findings: dict[str, Certainty]) -> dict[str, Certainty]:
    return dict.fromkeys(findings, Certainty.NEGATIVE)


def all_uncertain(findings: dict[str, Certainty]) -> dict[str, Certainty]:
    return dict.fromkeys(findings, Certainty.UNCERTAIN)


def test_where_nothing_can_be_fitted_the_mend_is_told_before_anything_is_embedded(run, manifest, tmp_path, monkeypatch):
    (run / CALIBRATION).unlink(missing_ok=True)
    monkeypatch.setattr(calibrate, "score_studies", None)
    with pytest.raises(
        EvaluationError, match=r"comes nearest with \d+ and \d+: take a larger .* --min-positives [3-7] "
    ):
        calibrate_run(run, CalibrationRequest(manifest))
    with pytest.raises(EvaluationError, match=r"comes nearest with 0 and 16: take a larger split or manifest$"):
        calibrate_run(run, CalibrationRequest(relabelled(manifest, tmp_path / "negative", all_negative)))
    with pytest.raises(
        EvaluationError, match=r"no study .* is positive or negative of a finding of the prompts \(.*Edema"
    ):
        calibrate_run(run, CalibrationRequest(relabelled(manifest, tmp_path / "none", all_uncertain), min_positives=1))
    assert not (run / CALIBRATION).exists()


def test_findings_that_are_left_out_are_kept_with_what_they_had(run, manifest, tmp_path):
    def rarer(findings: dict[str, Certainty]) -> dict[str, Certainty]:
        return {**findings, "Edema": Certainty.NEGATIVE}

    folder = relabelled(manifest, tmp_path / "rarer", rarer)
    calibration = calibrate_run(run, CalibrationRequest(folder, min_positives=3))
    assert calibration.left_out["Edema"] == (0, 16)
    assert calibration.left_out.keys().isdisjoint(calibration.findings)
    assert read_calibration(run) == calibration


def test_studies_without_a_frontal_image_cannot_be_scored(world, embedder, prompts):
    with pytest.raises(EvaluationError, match="none of the studies has a frontal image"):
        score_studies(embedder, [], prompts["standard"], read_image=world.read, benchmark="zero_shot/standard")
