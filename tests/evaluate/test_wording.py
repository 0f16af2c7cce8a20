"""Dependence on wording: planted encoders that hear some wordings and not others give the figures they must."""

import numpy as np
import pytest
import torch

from cxr_clip.evaluate.benchmark_table import benchmarks
from cxr_clip.evaluate.benchmarks import measure
from cxr_clip.evaluate.contract import Benchmark, FindingWordings, Wording, WordingTask
from cxr_clip.evaluate.page_wording import strips_of, wording_rows
from cxr_clip.evaluate.page_words import at_a_terminal
from cxr_clip.evaluate.subject import EvaluationOptions, Material
from cxr_clip.evaluate.wording_benchmark import WordingAreas, macro_of, wording_metrics
from cxr_clip.study import Certainty, ImageFile, Split, Study, View

FINDINGS = ("Edema", "Nodule/Mass")


class Hearing:
    """Image: a brightness. Text: +1 for presence, -1 for denial, 0 where the wording is not understood."""

    def __init__(self, meanings):
        self.meanings = meanings

    def embed_images(self, images):
        angles = torch.tensor([float(image[0, 0]) for image in images]) / 200
        return torch.stack([torch.sin(angles), torch.cos(angles)], dim=1)

    def embed_texts(self, texts):
        angles = torch.tensor([self.meanings[text] for text in texts]) / 2
        return torch.stack([torch.sin(angles), torch.cos(angles)], dim=1)


def task(finding_wordings):
    return WordingTask(
        tuple(
            FindingWordings(
                finding, tuple(Wording(name, f"{finding} {name}", f"no {finding} {name}") for name in names)
            )
            for finding, names in finding_wordings.items()
        )
    )


def measured(meanings, names=("plain", "odd"), findings=FINDINGS, patients=20):
    studies = [
        Study(
            id=str(number),
            patient=str(number // 2),
            source="made-up",
            split=Split.TEST,
            images=(ImageFile(str(100 * (number % 2) + number), View.PA),),
            findings=dict.fromkeys(findings, Certainty.POSITIVE if number % 2 else Certainty.NEGATIVE),
        )
        for number in range(2 * patients)
    ]
    material = Material(studies, lambda image: np.full((1, 1), int(image.path), dtype=np.uint8))
    benchmark = Benchmark("wording/made-up", 1, (), None, task(dict.fromkeys(findings, names)))
    heard = {
        f"{sign}{finding} {name}": meaning if not sign else -meaning
        for finding in findings
        for name, meaning in meanings.items()
        for sign in ("", "no ")
    }
    return measure(Hearing(heard), [(benchmark, material)], EvaluationOptions(resamples=40))[0]


def test_a_wording_that_is_heard_one_that_is_not_and_one_that_is_misheard():
    result = measured({"plain": 1.0, "odd": 0.0, "turned": -0.5}, names=("plain", "odd", "turned"))
    figures = {name: one.value for name, one in result.metrics.items()}
    for finding in ("macro", *FINDINGS):
        assert figures[f"auroc/plain/{finding}"] == 1
        assert figures[f"auroc/odd/{finding}"] == 0.5
        assert figures[f"auroc/turned/{finding}"] == 0
        assert figures[f"lowest/{finding}"] == 0
        assert figures[f"highest/{finding}"] == 1
        assert figures[f"deviation/{finding}"] == pytest.approx(np.std([1, 0.5, 0], ddof=1))
        assert figures[f"median/{finding}"] == 0.5
        assert figures[f"together/{finding}"] == 1
        assert figures[f"gain/{finding}"] == 0.5
    assert result.metrics["gain/macro"].n == 2
    assert [one.finding for one in result.scores] == list(FINDINGS)


def test_equal_wordings_have_no_spread_and_together_gain_nothing():
    result = measured({"plain": 0.3, "odd": 0.3})
    for name in ("deviation/Edema", "gain/Edema", "gain/macro"):
        one = result.metrics[name]
        assert (one.value, one.low, one.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_the_spread_is_worked_out_in_each_resample():
    areas = WordingAreas(("a", "b"), np.array([[0.6, 0.5, 0.9], [0.8, 0.7, 0.5]]), np.array([0.9, 0.8, 0.7]), 9)
    metrics = wording_metrics({"Edema": areas})
    resampled = {"lowest": [0.5, 0.5], "highest": [0.7, 0.9], "median": [0.6, 0.7], "gain": [0.2, 0.0]}
    for name, values in resampled.items():
        one = metrics[f"{name}/Edema"]
        assert (one.low, one.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert metrics["gain/Edema"].value == pytest.approx(0.2)
    assert metrics["deviation/Edema"].value == pytest.approx(np.std([0.6, 0.8], ddof=1))


def test_a_wording_of_one_finding_alone_is_left_out_of_the_macro_average():
    edema = WordingAreas(("a", "b"), np.full((2, 3), 0.8), np.full(3, 0.9), 9)
    nodule = WordingAreas(("a",), np.full((1, 3), 0.6), np.full(3, 0.5), 9)
    macro = macro_of([edema, nodule])
    assert (macro.names, macro.n) == (("a",), 2)
    assert macro.alone == pytest.approx(np.full((1, 3), 0.7))
    assert macro.together == pytest.approx(np.full(3, 0.7))
    assert "deviation/macro" not in wording_metrics({"macro": macro})


def test_too_few_studies_have_no_figure_and_the_page_has_a_row_for_each_wording():
    assert measured({"plain": 1.0, "odd": 0.5}, patients=2).metrics == {}
    result = measured({"plain": 1.0, "odd": 0.0})
    rows = wording_rows(result)
    assert ("Macro AUROC", "Plain", "1.000") in [(row.group, row.figure, row.value) for row in rows]
    table = strips_of(result)
    assert [strip.finding for strip in table.strips] == ["Macro average", *FINDINGS]
    assert (table.styles, table.axis, table.half) == (("plain", "odd"), 0.4, pytest.approx(100 / 6, abs=0.01))
    for strip in table.strips:
        assert [(dot.series, dot.place) for dot in strip.dots] == [(1, 100), (2, table.half)]
        assert (strip.low, strip.high, strip.together, strip.span) == (table.half, 100, 100, "0.500 – 1.000")
        assert (strip.deviation[0], strip.gain[0]) == (f"{np.std([1, 0.5], ddof=1):.3f}", "0.250")
    assert strips_of(measured({"plain": 1.0, "odd": 0.5}, patients=2)) is None
    shown = at_a_terminal(result, result.metrics)
    assert {"auroc/odd/macro", "lowest/macro", "gain/Nodule/Mass"} <= set(shown)
    assert not {"auroc/odd/Edema", "lowest/Edema"} & set(shown)


def test_each_finding_of_the_table_has_wordings_of_three_kinds_and_no_sentence_on_both_sides():
    tasks = [one.task for one in benchmarks() if isinstance(one.task, WordingTask)]
    assert len(tasks) == 6
    for one in (finding for each in tasks for finding in each.findings):
        names = [wording.name for wording in one.wordings]
        assert {"standard 1", "paraphrase 1", "paraphrase 4", "report 1", "report 3"} <= set(names)
        assert ("biovil 1" in names) == (one.finding == "Pneumonia")
        sides = [wording.positive for wording in one.wordings], [wording.negative for wording in one.wordings]
        assert len(set(sides[0] + sides[1])) == 2 * len(one.wordings)
