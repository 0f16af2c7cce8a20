"""Findings by prevalence: which group, which figures, against means taken by hand; and what the two files say."""

import html
import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from cxr_clip.evaluate.benchmarks import EvaluationOptions, evaluate_manifest
from cxr_clip.evaluate.rare import EVALUATED, group_of, rank_results
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.training_counts import Exposure, TrainingCounts

OPTIONS = EvaluationOptions(resamples=60, gallery=0)
# Cardiomegaly is common, Edema rare, Pneumothorax never stated.
COUNTS = TrainingCounts(1000, {"Cardiomegaly": 300, "Edema": 4}, (frozenset({"Edema", "Pneumothorax"}),))


@pytest.fixture
def results(world_of, embedder, prompts):
    world = world_of(120, noise=120.0)
    return evaluate_manifest(embedder, world.studies, read_image=world.read, prompts=prompts, options=OPTIONS)


def ranked(results, counts=COUNTS):
    return rank_results(results, counts, resamples=200, seed=0)


@pytest.mark.parametrize(
    ("prevalence", "group"),
    [(1.0, "head"), (0.1, "head"), (0.0999, "middle"), (0.01, "middle"), (0.0099, "tail"), (0.0, "tail")],
)
def test_the_groups_have_their_bounds(prevalence, group):
    assert group_of(prevalence) == group


def test_findings_come_by_their_prevalence_in_the_training(results):
    one = ranked(results)[0]
    assert (one.benchmark, one.studies) == ("zero_shot/standard", 1000)
    assert [(each.finding, each.prevalence, each.group, each.trained) for each in one.findings] == [
        ("Cardiomegaly", 0.3, "head", 300),
        ("Edema", 0.004, "tail", 4),
        ("Pneumothorax", 0.0, "tail", 0),
    ]
    assert [each.exposure for each in one.findings] == [Exposure.SEEN, Exposure.SEEN, Exposure.UNSEEN]


def test_a_group_has_the_mean_of_its_findings_beside_chance(results):
    one, scores = ranked(results)[0], {each.finding: each for each in results[0].scores}
    assert [each.name for each in one.groups] == ["head", "tail", "seen", "unseen"]
    for group in one.groups:
        of_these = [scores[finding] for finding in group.findings]
        areas = [roc_auc_score(each.labels, each.scores) for each in of_these]
        precisions = [average_precision_score(each.labels, each.scores) for each in of_these]
        assert group.auroc.value == pytest.approx(np.mean(areas))
        assert group.average_precision.value == pytest.approx(np.mean(precisions))
        assert group.chance == pytest.approx(np.mean([each.labels.mean() for each in of_these]))
        assert group.positives == sum(each.labels.sum() for each in of_these)
        assert group.auroc.low < group.auroc.value < group.auroc.high
        assert group.average_precision.n == len(of_these)


def test_a_group_of_one_finding_has_its_figures(results):
    one = ranked(results)[0]
    findings = {each.finding: each for each in one.findings}
    (head,) = (each for each in one.groups if each.name == "head")
    (finding,) = head.findings
    assert head.auroc == replace(findings[finding].auroc, n=1)
    assert head.average_precision == replace(findings[finding].average_precision, n=1)


def test_a_gap_is_the_difference_in_the_same_resamples(results):
    one = ranked(results)[0]
    groups = {each.name: each for each in one.groups}
    gap = one.gaps[0]
    assert [each.name for each in one.gaps] == ["tail minus head", "unseen minus seen"]
    assert gap.auroc.value == pytest.approx(groups["tail"].auroc.value - groups["head"].auroc.value)
    assert gap.auroc.low < gap.auroc.value < gap.auroc.high
    # The same finding under another name: their gap is nothing in every resample.
    twin = replace(results[0].scores[0], finding="Twin")
    figures = {f"{name}/Twin": results[0].metrics[f"{name}/Cardiomegaly"] for name in ("auroc", "average_precision")}
    both = replace(results[0], scores=(results[0].scores[0], twin), metrics={**results[0].metrics, **figures})
    assert both.scores[0].finding == "Cardiomegaly"
    (same,) = ranked([both], replace(COUNTS, positive={"Cardiomegaly": 300, "Twin": 3}))
    assert (same.gaps[0].auroc.low, same.gaps[0].auroc.high) == (0, 0)


def test_without_training_manifests_the_evaluated_studies_count(results):
    one = ranked(results, None)[0]
    assert (one.origin, one.studies) == (EVALUATED, 120)
    for each in one.findings:
        assert each.prevalence == pytest.approx(each.positives / 120)
        assert (each.trained, each.exposure) == (None, Exposure.UNKNOWN)
    assert [each.name for each in one.groups] == ["head"]
    assert one.gaps == ()


def test_both_files_say_it(results, tmp_path):
    rare = ranked(results)
    page = html.unescape(write_report(tmp_path, results, run_title="A run", rare=rare).read_text("utf-8"))
    content = json.loads((tmp_path / "report.json").read_text("utf-8"))["rare"]
    assert set(content) == {"zero_shot/standard", "zero_shot/paraphrase"}
    assert content["zero_shot/standard"]["findings"][2]["exposure"] == "unseen"
    assert content["zero_shot/standard"]["groups"][0]["auroc"]["value"] == rare[0].groups[0].auroc.value
    head = rare[0].groups[0]
    for words in (
        "Common and rare findings",
        "Never stated in training",
        "1,000 studies: the training studies",
        "0, unseen",
        "Tail minus head",
        f"{head.auroc.low:.3f} – {head.auroc.high:.3f}",
        "AUROC over prevalence, with intervals",
        *rare[0].protocol,
    ):
        assert words in page
    assert "Common and rare findings" not in write_report(tmp_path, results, run_title="A run").read_text("utf-8")
