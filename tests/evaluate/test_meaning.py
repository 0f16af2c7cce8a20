"""Opposite meanings: planted encoders that hear a word, or do not, get the figures that they must."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.nn.functional import normalize

from cxr_clip.data.meaning_prompts import load_meaning_prompts
from cxr_clip.evaluate.benchmark_table import benchmarks
from cxr_clip.evaluate.benchmarks import measure
from cxr_clip.evaluate.contract import Benchmark, MeaningTask, PromptSet
from cxr_clip.evaluate.meaning_figures import balanced, in_order, nearer, rank_correlation, text_figures
from cxr_clip.evaluate.page_meaning import meaning_rows, meaning_table
from cxr_clip.evaluate.page_words import at_a_terminal
from cxr_clip.evaluate.subject import EvaluationOptions, Material
from cxr_clip.study import Certainty, ImageFile, Split, Study, View

EFFUSION = "Pleural Effusion"
TASK = MeaningTask((load_meaning_prompts()[EFFUSION],), (PromptSet(EFFUSION, ("Fluid around the lung",)),))
GRADES = {-1: "small", 0: "moderate", 1: "large"}


class Hearing:
    """Axes: presence, side, amount, and one that all share; what is not heard is 0, or 1 for a denial or a doubt."""

    def __init__(self, *, denial=True, doubt=True, side=1.0, grade=1.0, sees=True):
        self.denial, self.doubt, self.side, self.grade, self.sees = denial, doubt, side, grade, sees

    def embed_images(self, images):
        rows = [[*(image.ravel() if self.sees else (0, 0, 0)), 1] for image in images]
        return normalize(torch.tensor(np.asarray(rows), dtype=torch.float32), dim=1)

    def embed_texts(self, texts):
        return normalize(torch.tensor([self._heard(text.lower()) for text in texts]), dim=1)

    def _heard(self, text):
        denied, doubted = (
            text.startswith(("no ", "negative")),
            any(word in text for word in ("poss", "may", "equivocal")),
        )
        presence = -1.0 if denied and self.denial else 0.0 if doubted and self.doubt else 1.0
        side = self.side * (("right" in text) - ("left" in text))
        return [presence, side, self.grade * (("large" in text) - ("small" in text)), 1.0]


def study(number):
    """Every second one has an effusion: left and right in turn, of three sizes in turn."""
    there, left, amount = number % 2, number // 2 % 2, number % 3 - 1
    words = f"{GRADES[amount]} {'left' if left else 'right'} pleural effusion" if there else "no pleural effusion"
    return Study(
        id=str(number),
        patient=str(number // 4),
        source="made-up",
        split=Split.TEST,
        images=(ImageFile(f"{1 if there else -1},{there * (1 - 2 * left)},{there * amount}", View.PA),),
        sections={"findings": words.capitalize() + "."},
        findings={EFFUSION: Certainty.POSITIVE if there else Certainty.NEGATIVE},
    )


def measured(encoder, count=96, task=TASK):
    material = Material(
        [study(number) for number in range(count)],
        lambda image: np.asarray([[int(value) for value in image.path.split(",")]], dtype=np.int8),
    )
    benchmark = Benchmark("meaning/made-up", 1, (), None, task)
    return measure(encoder, [(benchmark, material)], EvaluationOptions(resamples=40))[0]


def figures(encoder):
    return {name: one.value for name, one in measured(encoder).metrics.items()}


def test_who_hears_everything_is_right_everywhere():
    result = measured(Hearing())
    for name in ("negation", "negation_of_positives", "negation_of_negatives", "uncertainty", "side", "severity"):
        for finding in ("macro", EFFUSION):
            one = result.metrics[f"{name}/{finding}"]
            assert (one.value, one.high) == pytest.approx((1, 1)), name
            # A share without a fault is not held for certain: that of 24 patients has Wilson's interval.
            assert (one.low == pytest.approx(1)) if name == "severity" else (0.8 < one.low < 0.95), name
    assert result.metrics["text_negation/macro"].value == pytest.approx(0)
    assert result.metrics["text_paraphrase/macro"].value == pytest.approx(1)
    assert result.metrics["text_paraphrase_nearer/macro"].value == 1
    assert result.metrics[f"negation/{EFFUSION}"].n == 96
    assert result.metrics[f"side/{EFFUSION}"].n == 48
    assert "Studies of a known side, left and right: Pleural Effusion 24 + 24." in result.notes
    assert "Studies graded little, moderate and much: Pleural Effusion 16 + 16 + 16." in result.notes
    (scores,) = result.scores
    assert all((scores.scores > 0) == scores.labels)


def test_who_does_not_hear_a_denial_or_a_doubt_is_at_chance():
    found = figures(Hearing(denial=False, doubt=False))
    assert found["negation/macro"] == 0.5
    assert found["uncertainty/macro"] == pytest.approx(1 / 6)
    assert found["text_negation/macro"] == pytest.approx(1)
    assert found["text_paraphrase_nearer/macro"] == 0.5
    assert found["side/macro"] == 1


def test_who_takes_a_doubt_for_a_statement_has_it_in_order_half_the_time():
    found = figures(Hearing(doubt=False))
    assert found["uncertainty/macro"] == 0.5
    assert found["negation/macro"] == 1


def test_who_does_not_look_prefers_one_sentence_and_gains_nothing_by_it():
    found = figures(Hearing(sees=False))
    assert found["negation/macro"] == 0.5
    assert found["side/macro"] == 0.5

    class Eager(Hearing):
        def embed_images(self, images):
            return normalize(torch.tensor([[1.0, 0, 0, 1]] * len(images)), dim=1)

    found = figures(Eager())
    assert (found["negation_of_positives/macro"], found["negation_of_negatives/macro"]) == (1, 0)
    assert found["negation/macro"] == 0.5


def test_sides_and_grades_that_are_deaf_or_turned():
    turned, deaf = figures(Hearing(side=-1.0, grade=-1.0)), figures(Hearing(side=0.0, grade=0.0))
    assert (turned["side/macro"], turned["severity/macro"]) == pytest.approx((0, -1))
    assert deaf["side/macro"] == 0.5
    assert "severity/macro" not in deaf


def test_too_few_studies_are_told_and_the_page_stands_beside_chance():
    few = measured(Hearing(), count=6)
    assert few.metrics == {}
    assert "not measured: Pleural Effusion (3 positive, 3 negative)" in " ".join(few.notes)
    assert (meaning_rows(few), meaning_table(few)) == ((), None)
    result = measured(Hearing(denial=False))
    rows = {row.figure: row for row in meaning_rows(result)}
    row = rows["Present against absent"]
    assert (row.value, row.chance) == ("50.0\N{NO-BREAK SPACE}%", "50.0\N{NO-BREAK SPACE}%")
    assert rows["Little against much, Spearman"].value == "1.000"
    assert rows["Texts alone: cosine of a sentence with its denial"].interval == ""
    table = meaning_table(result)
    ((finding, cells),) = table.rows
    assert (finding, len(cells)) == (EFFUSION, len(table.columns))
    assert cells[table.columns.index("Left against right")][0] == "100.0 %"
    shown = at_a_terminal(result, result.metrics)
    assert f"negation/{EFFUSION}" in shown
    assert f"text_negation/{EFFUSION}" not in shown


def test_nearer_and_in_order_count_forms_and_ties():
    one, other = np.array([[0.3, 0.2], [0.1, 0.1]]), np.array([[0.1, 0.2 + 1e-9], [0.2, 0.2]])
    assert list(nearer(one, other)) == [0.75, 0]
    cases = {(3, 2, 1): 1, (2, 2, 1): 0.5, (3, 1, 1): 0.5, (1, 1, 1): 1 / 6, (2, 3, 1): 0, (2, 1, 2): 0}
    for cosines, chance in cases.items():
        first, second, third = (np.array([[value / 10]]) for value in cosines)
        assert in_order(first, second, third)[0] == pytest.approx(chance), cosines


def test_balanced_weighs_both_classes_alike_and_needs_both():
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 0, 1, 1]])
    found = balanced(np.array([1.0, 0, 0, 0]), np.array([True, True, False, False]), weights)
    assert list(found[:2]) == [0.25, 0.5]
    assert np.isnan(found[2])


def test_rank_correlation_of_amounts_is_spearman():
    rng = np.random.default_rng(0)
    least, most, grades = rng.normal(size=(30, 3)), rng.normal(size=(30, 3)), rng.integers(0, 3, 30)
    found = rank_correlation(least, most, grades, np.ones((1, 30)))
    assert found[0] == pytest.approx(spearmanr((most - least).mean(axis=1), grades).statistic)


def test_texts_alone_by_hand():
    present, absent, others = np.eye(3)[:2], np.eye(3)[[0, 2]], np.eye(3)[[0, 0]]
    assert text_figures(present, absent, others) == (0.5, 0.5, pytest.approx((0.5 + 0.5 + 0.5 + 0.5) / 4))


def test_every_finding_of_the_table_has_other_words_that_are_none_of_its_sentences():
    tasks = [one.task for one in benchmarks() if isinstance(one.task, MeaningTask)]
    assert len(tasks) == 7
    for task in tasks:
        others = {one.finding: set(one.prompts) for one in task.others}
        assert set(others) == {one.finding for one in task.prompts}
        for one in task.prompts:
            said = [*one.present, *one.absent, *one.possible, *one.left, *one.right, *one.least, *one.most]
            assert len(set(said)) == len(said)
            assert not others[one.finding] & set(said)
