"""Scores of studies: kept beside the report as they were measured, and read back the same."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.benchmarks import EvaluationOptions, evaluate_manifest
from cxr_clip.evaluate.scores import SCORES, read_scores, write_scores
from cxr_clip.metrics import auroc
from cxr_clip.study import Certainty

OPTIONS = EvaluationOptions(resamples=30, gallery=0)


@pytest.fixture
def results(world, embedder, prompts):
    return evaluate_manifest(embedder, world.studies, read_image=world.read, prompts=prompts, options=OPTIONS)


def test_scores_give_the_figures_that_the_report_has(results, world, tmp_path):
    write_scores(tmp_path / SCORES, [one for result in results for one in result.scores])
    figures = {result.name: result.metrics for result in results}
    studies = {study.id: study for study in world.studies}
    kept = read_scores(tmp_path)
    assert len(kept) == 6
    for one in kept:
        assert auroc(one.scores, one.labels) == figures[one.benchmark][f"auroc/{one.finding}"].value
        for study, patient, split, label in zip(one.studies, one.patients, one.splits, one.labels, strict=True):
            assert (studies[study].patient, studies[study].split) == (patient, split)
            assert studies[study].findings[one.finding] is (Certainty.POSITIVE if label else Certainty.NEGATIVE)


def test_scores_come_back_bit_for_bit(results, tmp_path):
    scores = results[0].scores
    back = read_scores(write_scores(tmp_path / "mine.parquet", scores))
    for one, other in zip(scores, back, strict=True):
        assert (one.benchmark, one.finding) == (other.benchmark, other.finding)
        assert (one.studies, one.patients, one.splits) == (other.studies, other.patients, other.splits)
        assert (one.scores == other.scores).all()
        assert (one.labels == other.labels).all()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.parquet"]


def test_nothing_measured_is_an_empty_table(tmp_path):
    assert read_scores(write_scores(tmp_path / SCORES, [])) == ()


def test_what_is_no_table_of_scores_is_told(tmp_path):
    with pytest.raises(EvaluationError, match=r"no scores at .*: `cxr-clip evaluate` writes them"):
        read_scores(tmp_path)
    (tmp_path / SCORES).write_text("no Parquet")
    with pytest.raises(EvaluationError, match="is no table of scores"):
        read_scores(tmp_path)
    pq.write_table(pa.table({"study": ["a"], "score": np.ones(1)}), tmp_path / SCORES)
    with pytest.raises(EvaluationError, match="is no table of scores"):
        read_scores(tmp_path)
