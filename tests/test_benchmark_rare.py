"""The benchmark of rare findings: who is rare when, whose studies stay, and what its tables say."""

from pathlib import Path

import numpy as np
import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.shared_resamples import share_resamples
from cxr_clip.study import Certainty, Split, Study
from support_data import write_tiny_manifest
from support_programs import benchmark


@pytest.fixture(scope="module")
def rare():
    return benchmark("rare")


def test_over_three_seeds_every_finding_is_once_in_each_group(rare) -> None:
    turns = [rare.groups_of(seed) for seed in range(3)]
    for name in ("head", "middle", "tail"):
        assert len({finding for groups in turns for finding in groups[name]}) == 12
    for groups in turns:
        assert len({finding for findings in groups.values() for finding in findings}) == 12


@pytest.mark.parametrize(
    ("said", "split", "stays"),
    [
        ({"Mass": "positive", "Edema": "positive"}, Split.TRAIN, False),
        ({"Mass": "uncertain"}, Split.TRAIN, False),
        ({"Mass": "negative", "Edema": "positive"}, Split.TRAIN, True),
        ({}, Split.TRAIN, True),
        ({"Mass": "positive"}, Split.TEST, True),
    ],
)
def test_training_studies_with_a_rare_finding_are_thinned(rare, said, split, stays) -> None:
    findings = {name: Certainty(word) for name, word in said.items()}
    study = Study("s", "p", "made up", split, (), {}, findings)
    assert rare.stays(study, {"Mass": 0.04, "Edema": 1.0}, 0.5) is stays


def run_of(rare, arm: str, seed: int, lift: float):
    rng = np.random.default_rng(0)
    groups = rare.groups_of(seed)
    scores = {}
    for finding in (finding for findings in groups.values() for finding in findings):
        labels = rng.random(80) < 0.3
        raised = rng.normal(size=80) + labels * (lift if finding in groups["tail"] else 1.0)
        names = tuple(map(str, range(80)))
        scores[finding] = FindingScores("z", finding, names, names, (Split.TEST,) * 80, labels, raised)
    recall = {"image_to_text/recall_at_10": 0.2, "image_to_text/recall_at_10_chance": 0.1}
    return rare.Run(arm, seed, groups, dict.fromkeys(scores, 5), 100, 1.0, recall, scores)


def test_a_difference_is_that_of_the_same_findings_and_studies(rare) -> None:
    lifts = {"uniform": 0.5, "rare": 2.0, "held out": 0.0}
    runs = [run_of(rare, arm, seed, lift) for seed in range(2) for arm, lift in lifts.items()]
    shared = share_resamples([one for run in runs for one in run.scores.values()], resamples=60, seed=0)
    head, tail = (rare.of_group(name, runs, shared) for name in ("head", "tail"))
    assert head["auroc"]["difference"]["value"] == head["auroc"]["difference"]["high"] == 0
    one = tail["auroc"]
    assert one["difference"]["value"] == pytest.approx(one["rare"]["value"] - one["uniform"]["value"])
    assert one["difference"]["low"] > 0
    assert np.mean(list(one["difference_by_seed"].values())) == pytest.approx(one["difference"]["value"])
    held = rare.of_held_out(runs, shared)
    assert held["auroc"]["unseen minus seen"]["high"] < 0
    assert held["auroc"]["the same findings as tail"]["value"] == pytest.approx(one["uniform"]["value"])
    results = {
        "machine": "2 cores",
        "test_studies": 80,
        "runs": [rare.of_run(run) for run in runs],
        "groups": {name: rare.of_group(name, runs, shared) for name in rare.KEPT},
        "held_out": held,
        "recall": {arm: rare.mean_recall(rare.by_seed(runs, arm).values()) for arm in rare.ARMS},
    }
    tables = benchmark("tables").makers()
    made = tables["rare"][1](results)
    assert f"| tail | 5.0 % | AUROC | {one['uniform']['value']:.3f}" in made
    by_seed = list(one["difference_by_seed"].values())
    assert by_seed == pytest.approx([by_seed[0]] * 2)  # the seeds are alike here, so that their interval has no width
    assert "{0}, {0} | {0} to {0} | 0.5 |".format(f"{by_seed[0]:+.3f}") in made
    assert "held out minus rare" in tables["unseen"][1](results)


def test_the_thinned_folder_has_its_pictures(rare, tmp_path: Path) -> None:
    whole = write_tiny_manifest(tmp_path / "whole", train=6)
    findings = {finding for study in read_manifest(whole) for finding in study.findings}
    groups = {"head": tuple(findings), "middle": (), "tail": ()}
    thinned = read_manifest(rare.thinned(whole, tmp_path / "thinned", groups, 0))
    assert len(thinned) == len(read_manifest(whole))
    assert ImageStore(thinned.root).read(thinned[0].images[0]).size
