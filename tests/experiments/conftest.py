"""Finished trials without a training: scores and ranks that are chosen, in the files that an evaluation leaves."""

import json
from pathlib import Path

import numpy as np
import pytest

from cxr_clip.evaluate.query_ranks import RANKS, QueryRanks, write_ranks
from cxr_clip.evaluate.scores import SCORES, FindingScores, write_scores
from cxr_clip.experiments.arms import Arm
from cxr_clip.experiments.trials import Examination, Spent, Trial, write_finished
from cxr_clip.study import Split
from support_models import tiny_recipe

STUDIES = tuple(f"study {number}" for number in range(80))
PATIENTS = tuple(f"patient {number // 2}" for number in range(80))
LABELS = np.arange(80) % 3 == 0


@pytest.fixture
def write_trial(tmp_path: Path):
    """Write a trial whose scores are the labels with noise of a level, and whose ranks are given."""

    def write(arm: str, seed: int, *, noise: float, ranks: np.ndarray | None = None, studies: int = 80) -> Trial:
        trial = Trial(Arm(arm), seed, tiny_recipe(tmp_path / "none"), tmp_path / "runs" / arm / str(seed))
        rng = np.random.default_rng(seed)
        shared, own = np.random.default_rng(99).normal(0, 1, 80), rng.normal(0, 0.1, 80)
        scores = (LABELS + noise * (shared + own))[:studies]
        names, patients = STUDIES[:studies], PATIENTS[:studies]
        splits = (Split.TEST,) * studies
        found = FindingScores("zero_shot/standard", "Edema", names, patients, splits, LABELS[:studies], scores)
        other = FindingScores("zero_shot/other", "Edema", names, patients, splits, LABELS[:studies], -scores)
        write_scores(trial.folder / SCORES, [found, other])
        places = np.arange(1, studies + 1) if ranks is None else ranks
        write_ranks(trial.folder / RANKS, [QueryRanks("retrieval", "image_to_text", studies, names, patients, places)])
        chance = {"image_to_text/recall_at_10_chance": {"value": 0.125}}
        (trial.folder / "report.json").write_text(json.dumps({"benchmarks": {"retrieval": chance}}))
        write_finished(trial, Examination(tmp_path), Spent(10, 100, 30.0, 60.0))
        return trial

    return write
