"""Two evaluations side by side: differences that the models do not share, and false alarms as often as they say."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.compare import ComparisonOptions, compare_scores
from cxr_clip.evaluate.compare_page import p_in_words, tables, write_comparison
from cxr_clip.evaluate.differences import two_sided_p
from cxr_clip.evaluate.multiplicity import benjamini_hochberg, holm
from cxr_clip.evaluate.query_ranks import QueryRanks, read_ranks, write_ranks
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.statistics import patient_bootstrap_weights
from cxr_clip.metrics import weighted_auroc
from cxr_clip.study import Split

FINDINGS = ("Edema", "Fracture", "Nodule")
OPTIONS = ComparisonOptions(resamples=400)


def evaluation(rng, *, gain=1.0, count=300, labels=None):
    """Scores of three findings whose classes are `gain` apart, two studies a patient."""
    labels = np.random.default_rng(7).random((3, count)) < 0.4 if labels is None else labels
    return tuple(
        FindingScores(
            benchmark="zero_shot/standard",
            finding=finding,
            studies=tuple(f"s{i}" for i in range(count)),
            patients=tuple(f"p{i // 2}" for i in range(count)),
            splits=(Split.TEST,) * count,
            labels=of_one,
            scores=rng.normal(size=count) + gain * of_one,
        )
        for finding, of_one in zip(FINDINGS, labels, strict=True)
    )


def noisier(scores, rng, noise):
    return tuple(replace(one, scores=one.scores + noise * rng.normal(size=len(one.scores))) for one in scores)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    good = evaluation(rng, gain=2.0)
    return noisier(good, rng, 1.5), good


def retrieval(ranks, *, pool=300, studies=300):
    names = tuple(f"s{i}" for i in range(studies))
    patients = tuple(f"p{i // 2}" for i in range(studies))
    return (QueryRanks("retrieval", "image_to_text", pool, names, patients, ranks),)


def by_figure(comparison):
    return {one.figure: one for one in comparison.differences}


def test_every_figure_of_both_stands_beside_its_difference(pair):
    comparison = compare_scores(*pair, OPTIONS)
    found = by_figure(comparison)
    assert list(found)[:4] == ["auroc/macro", *(f"auroc/{name}" for name in FINDINGS)]
    assert len(found) == 8
    for one, other in zip(*pair, strict=True):
        here = found[f"auroc/{one.finding}"]
        areas = [roc_auc_score(one.labels, scores) for scores in (one.scores, other.scores)]
        assert [here.first.value, here.second.value] == pytest.approx(areas)
        assert here.difference.value == pytest.approx(areas[1] - areas[0])
        assert 0 < here.difference.low < here.difference.value < here.difference.high
    assert (comparison.studies, comparison.patients) == (300, 150)


def test_the_interval_of_the_difference_is_that_of_the_same_resamples(pair):
    found = by_figure(compare_scores(*pair, OPTIONS))["auroc/Edema"]
    first, second = pair[0][0], pair[1][0]
    weights = patient_bootstrap_weights(first.patients, 400, np.random.default_rng(0))
    resampled = weighted_auroc(second.scores, second.labels, weights) - weighted_auroc(
        first.scores, first.labels, weights
    )
    interval = [found.difference.low, found.difference.high]
    assert interval == pytest.approx(np.quantile(resampled, [0.025, 0.975]), abs=1e-12)
    apart = (found.first.high - found.first.low) + (found.second.high - found.second.low)
    assert found.difference.high - found.difference.low < apart / 1.2


def test_the_order_of_the_two_turns_the_sign_and_equal_ones_do_not_differ(pair):
    there, back = (by_figure(compare_scores(*each, OPTIONS)) for each in (pair, pair[::-1]))
    for figure, one in there.items():
        assert back[figure].difference.value == -one.difference.value
        assert back[figure].p == one.p
    for one in compare_scores(pair[0], pair[0], OPTIONS).differences:
        assert (one.difference.value, one.difference.low, one.difference.high, one.p) == (0, 0, 0, 1)


def test_both_tests_call_equal_models_different_about_one_time_in_twenty():
    rng, bootstrap, delong = np.random.default_rng(1), [], []
    for _ in range(60):
        shared = evaluation(rng, count=160)
        comparison = compare_scores(noisier(shared, rng, 0.7), noisier(shared, rng, 0.7), ComparisonOptions(200))
        found = [one for one in comparison.differences if one.delong is not None]
        bootstrap += [one.p for one in found]
        delong += [one.delong for one in found]
    assert len(bootstrap) == 180
    # Three binomial errors of 180 trials are 4.9 %.
    assert np.mean(np.array(bootstrap) < 0.05) < 0.1
    assert np.mean(np.array(delong) < 0.05) < 0.1
    assert np.corrcoef(bootstrap, delong)[0, 1] > 0.95


def test_p_is_the_level_at_which_the_interval_touches_nought():
    resampled = np.append(np.linspace(-0.1, -0.01, 10), np.linspace(0.01, 1, 389))
    assert two_sided_p(resampled) == pytest.approx(2 * 11 / 400)
    assert two_sided_p(np.ones(399)) == pytest.approx(2 / 400)
    assert two_sided_p(np.append(np.ones(399), np.nan)) == pytest.approx(2 / 400)


def test_corrections_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert benjamini_hochberg([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.04, 0.04])


def test_findings_are_corrected_together_and_the_macro_average_is_not(pair):
    for correction, adjust in (("holm", holm), ("benjamini-hochberg", benjamini_hochberg)):
        found = by_figure(compare_scores(*pair, replace(OPTIONS, correction=correction)))
        members = [found[f"auroc/{name}"] for name in FINDINGS]
        assert [one.adjusted for one in members] == pytest.approx(adjust([one.p for one in members]))
        assert found["auroc/macro"].adjusted is None
    with pytest.raises(EvaluationError, match="no correction 'bonferroni': there are holm, benjamini-hochberg"):
        compare_scores(*pair, replace(OPTIONS, correction="bonferroni"))


def test_studies_that_one_of_them_lacks_are_left_out_and_told(pair):
    first, second = pair
    few = tuple(
        replace(
            one,
            studies=one.studies[:250][::-1],
            patients=one.patients[:250][::-1],
            splits=one.splits[:250],
            labels=one.labels[:250][::-1],
            scores=one.scores[:250][::-1],
        )
        for one in second[:2]
    )
    comparison = compare_scores(first, few, OPTIONS)
    assert comparison.studies == 250
    assert comparison.notes == (
        "Studies that only one of the evaluations has, left out: Edema 50 (zero_shot/standard), Fracture 50 "
        "(zero_shot/standard).",
    )
    whole = by_figure(compare_scores(first, few, OPTIONS))["auroc/Edema"]
    assert whole.second.value == pytest.approx(roc_auc_score(second[0].labels[:250], second[0].scores[:250]))


def test_evaluations_that_do_not_fit_are_refused(pair):
    first, second = pair
    with pytest.raises(EvaluationError, match=r"300 studies have another label of Edema.*such as s0"):
        compare_scores(first, tuple(replace(one, labels=~one.labels) for one in second), OPTIONS)
    with pytest.raises(EvaluationError, match="or another patient"):
        compare_scores(first, tuple(replace(one, patients=one.studies) for one in second), OPTIONS)
    with pytest.raises(EvaluationError, match=r"the first has zero_shot/standard, the second other\)"):
        compare_scores(first, tuple(replace(one, benchmark="other") for one in second), OPTIONS)
    with pytest.raises(EvaluationError, match="the second no scores"):
        compare_scores(first, (), OPTIONS)


def test_the_files_say_all_of_it(pair, tmp_path):
    comparison = compare_scores(*pair, OPTIONS)
    page = write_comparison(tmp_path / "out", comparison, ("runs/<a>", "runs/b")).read_text("utf-8")
    content = json.loads((tmp_path / "out" / "compare.json").read_text("utf-8"))
    assert [one["figure"] for one in content["differences"]] == [one.figure for one in comparison.differences]
    assert content["differences"][1]["difference"]["low"] == comparison.differences[1].difference.low
    assert "runs/&lt;a&gt;" in page
    assert "<script" not in page
    assert "the second is better in 3 of 3, the first in 0" in page
    for sentence in content["protocol"]:
        assert sentence in page
    shown = tables(comparison)
    assert [table.heading for table in shown] == [
        "AUROC, zero_shot/standard",
        "Average precision, zero_shot/standard",
    ]
    for row in (row for table in shown for row in table.rows):
        assert 0 <= row.low <= row.point <= row.high <= 100
        assert row.point > 50


def test_recalls_are_compared_over_the_same_queries(pair, tmp_path):
    rng = np.random.default_rng(5)
    first = rng.integers(1, 31, 300)
    second = np.maximum(1, first - rng.integers(0, 9, 300))
    comparison = compare_scores(*pair, OPTIONS, ranks=(retrieval(first), retrieval(second)))
    found = by_figure(comparison)
    for k in (1, 5, 10):
        one = found[f"image_to_text/recall_at_{k}"]
        assert (one.first.value, one.second.value) == (np.mean(first <= k), np.mean(second <= k))
        assert one.difference.low > 0
    recalls = [one for figure, one in found.items() if "recall" in figure]
    assert [one.adjusted for one in recalls] == pytest.approx(holm([one.p for one in recalls]))
    page = write_comparison(tmp_path, comparison, ("a", "b")).read_text("utf-8")
    assert "Image → text, retrieval" in page
    assert "<small>300 queries</small>" in page


def test_queries_in_another_order_are_matched_and_another_pool_is_not_compared(pair):
    ranks = np.random.default_rng(6).integers(1, 31, 300)
    (one,) = retrieval(ranks)
    turned = replace(one, studies=one.studies[::-1], patients=one.patients[::-1], ranks=one.ranks[::-1])
    found = by_figure(compare_scores((), (), OPTIONS, ranks=((one,), (turned,))))
    assert [each.difference.value for each in found.values()] == [0, 0, 0]
    for other in (replace(one, pool=299), replace(one, studies=("else", *one.studies[1:]))):
        comparison = compare_scores(*pair, OPTIONS, ranks=((one,), (other,)))
        assert comparison.notes == ("retrieval, image_to_text: not compared, as queries or pool are not the same.",)


def test_ranks_come_back_as_they_were_written(tmp_path):
    assert read_ranks(tmp_path) == ()
    (one,) = retrieval(np.arange(1, 301))
    write_ranks(tmp_path / "ranks.parquet", [one, replace(one, direction="text_to_image", pool=7)])
    back, other = read_ranks(tmp_path)
    assert (back.benchmark, back.direction, back.pool) == ("retrieval", "image_to_text", 300)
    assert (back.studies, back.patients) == (one.studies, one.patients)
    assert (back.ranks == one.ranks).all()
    assert (other.direction, other.pool) == ("text_to_image", 7)
    (tmp_path / "ranks.parquet").write_text("no Parquet")
    with pytest.raises(EvaluationError, match="is no table of ranks"):
        read_ranks(tmp_path)


def test_no_dash_stands_beside_a_sign(pair):
    for table in tables(compare_scores(*pair, ComparisonOptions(resamples=50))):
        for row in table.rows:
            assert re.fullmatch(r"[+−]0\.\d{3} to [+−]0\.\d{3}", row.interval)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0004, "< 0.001"), (0.0005, "0.001"), (0.049, "0.049"), (0.0496, "< 0.050"), (0.05, "0.050"), (1.0, "1.000")],
)
def test_a_p_value_reads_on_the_side_of_the_level_where_it_is(value: float, words: str) -> None:
    assert p_in_words(value) == words
