"""Arms beside each other, from the scores and ranks that evaluations keep."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxr_clip.errors import ExperimentError
from cxr_clip.evaluate.multiplicity import holm
from cxr_clip.evaluate.scores import read_scores
from cxr_clip.experiments.comparison import compare_arms
from cxr_clip.experiments.measured import IMAGE_TO_TEXT, MACRO
from cxr_clip.experiments.words import protocol

SEEDS = range(3)


def test_an_arm_is_the_mean_of_its_seeds(write_trial) -> None:
    trials = [write_trial("one", seed, noise=1.0) for seed in SEEDS]
    (arm,) = compare_arms(trials, resamples=100).arms
    scores = [read_scores(trial.folder)[0] for trial in trials]
    areas = [roc_auc_score(one.labels, one.scores) for one in scores]
    assert arm.of_seeds[MACRO] == pytest.approx(areas)
    assert arm.means[MACRO].estimate.value == pytest.approx(np.mean(areas))
    assert arm.means[IMAGE_TO_TEXT].estimate.value == 10 / 80
    assert (arm.steps, arm.studies, arm.processor_seconds) == (10, 100, 90.0)


def test_intervals_stay_where_shares_and_their_differences_can_be(write_trial) -> None:
    trials = [write_trial(arm, seed, noise=0.1 + 30 * seed) for seed in range(2) for arm in ("one", "two")]
    compared = compare_arms(trials, resamples=100)
    assert any(one.means[MACRO].estimate.high == 1.0 for one in compared.arms)
    for mean in (each for one in compared.arms for each in one.means.values()):
        assert 0 <= mean.estimate.low <= mean.estimate.high <= 1
    for contrast in compared.contrasts:
        assert -1 <= contrast.difference.estimate.low <= contrast.difference.estimate.high <= 1


def test_chance_is_that_of_the_report(write_trial) -> None:
    compared = compare_arms([write_trial("one", 0, noise=1.0)], resamples=100)
    assert compared.chance == {MACRO: 0.5, IMAGE_TO_TEXT: 0.125}


def test_arms_with_equal_scores_are_not_told_apart(write_trial) -> None:
    trials = [write_trial(arm, seed, noise=1.0) for seed in SEEDS for arm in ("one", "two")]
    for contrast in compare_arms(trials, resamples=100).contrasts:
        assert (contrast.arm, contrast.against) == ("two", "one")
        assert contrast.difference.estimate.value == 0
        assert (contrast.difference.p, contrast.adjusted) == (1.0, 1.0)


def test_what_arms_share_falls_out_of_their_difference(write_trial) -> None:
    """Both read the same noise of each patient; paired, a small gain of one of them is seen through it."""
    trials = [write_trial(arm, seed, noise=noise) for seed in SEEDS for arm, noise in (("one", 1.0), ("two", 0.9))]
    compared = compare_arms(trials, resamples=300)
    first, second = (arm.means[MACRO].estimate for arm in compared.arms)
    change = next(one for one in compared.contrasts if one.figure == MACRO).difference.estimate
    assert change.value == pytest.approx(second.value - first.value)
    assert second.low < first.high  # the intervals of the arms overlap
    assert change.high - change.low < 0.5 * (first.high - first.low)


def test_every_difference_of_the_table_is_corrected_together(write_trial) -> None:
    noises = {"one": 1.5, "two": 0.6, "three": 1.4}
    trials = [write_trial(arm, seed, noise=noise) for seed in SEEDS for arm, noise in noises.items()]
    found = compare_arms(trials, [("two", "one"), ("three", "one"), ("two", "three")], resamples=200).contrasts
    assert len(found) == 6
    assert [one.adjusted for one in found] == holm([one.difference.p for one in found])


def test_better_ranks_are_a_higher_recall(write_trial) -> None:
    first = [write_trial("one", seed, noise=1.0) for seed in SEEDS]
    second = [write_trial("two", seed, noise=1.0, ranks=np.arange(80) // 2 + 1) for seed in SEEDS]
    found = compare_arms([*first, *second], resamples=100).contrasts
    assert next(one for one in found if one.figure == IMAGE_TO_TEXT).difference.estimate.value == 10 / 80


def test_a_single_patient_is_no_comparison(write_trial) -> None:
    with pytest.raises(ExperimentError, match="one patient"):
        compare_arms([write_trial("one", 0, noise=1.0, studies=2)], resamples=100)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((3, 5), "the most of any seed: one: 5. The figures are of all tested studies"),
        ((0, 0), "No tested study shares a patient"),
        ((None, None), "Not every run was looked at"),
    ],
)
def test_tested_studies_that_were_trained_on_are_told(write_trial, counts: tuple[int | None, ...], words: str) -> None:
    trials = [write_trial("one", seed, noise=1.0) for seed in SEEDS[: len(counts)]]
    for trial, count in zip(trials, counts, strict=True):
        path = trial.folder / "report.json"
        report = json.loads(path.read_text())
        path.write_text(json.dumps({**report, "overlap": {"retrieval": {"studies": count}, "other": {"studies": 80}}}))
    compared = compare_arms(trials, resamples=100)
    assert compared.arms[0].trained_on == counts[1]
    assert any(words in sentence for sentence in protocol(compared))


def test_trials_on_other_studies_are_refused(write_trial) -> None:
    trials = [write_trial("one", 0, noise=1.0), write_trial("two", 0, noise=1.0, studies=60)]
    with pytest.raises(ExperimentError, match="other studies"):
        compare_arms(trials, resamples=100)
