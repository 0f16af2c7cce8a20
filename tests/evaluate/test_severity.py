"""Severity: planted scores agree as they must, thresholds come from validation alone, old manifests have no grades."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score
from torch.nn.functional import normalize

from cxr_clip.data.meaning_prompts import load_meaning_prompts
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.evaluate.benchmarks import measure
from cxr_clip.evaluate.contract import Benchmark, SeverityTask
from cxr_clip.evaluate.page_severity import grade_rows, severity_rows
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.severity_figures import choose_thresholds, count_grades, enough, grade_by
from cxr_clip.evaluate.subject import EvaluationOptions, Material
from cxr_clip.evaluate.trained_on import Seen
from cxr_clip.study import ImageFile, Split, Study, View

EFFUSION = "Pleural Effusion"
OPTIONS = EvaluationOptions(resamples=100)
TASK = SeverityTask(
    "standard", (ZeroShotPrompt(EFFUSION, ("Effusion",), ("No effusion",)),), (load_meaning_prompts()[EFFUSION],)
)


class Measuring:
    """Axes: whether there is some, how much, and one that all share."""

    def __init__(self):
        self.images = 0

    def embed_images(self, images):
        self.images += len(images)
        return normalize(torch.tensor(np.stack([image[0] for image in images]), dtype=torch.float32), dim=1)

    def embed_texts(self, texts):
        rows = [self._heard(text.lower()) for text in texts]
        return normalize(torch.tensor(rows), dim=1)

    def _heard(self, text):
        denied = "no " in text or "negative" in text
        return [-1.0 if denied else 1.0, 1.0 if "large" in text else 0.0, 1.0]


def study(number, *, noise=0.0):
    """Grades 0 to 3 in turn; a fifth of the studies is of validation, a fifth of training."""
    grade = number % 4
    stray = np.random.default_rng(number).normal(0, 1) * noise
    return Study(
        id=str(number),
        patient=str(number // 8),
        source="made-up",
        split=(Split.TRAIN, Split.VALIDATE, Split.TEST, Split.TEST, Split.TEST)[number // 8 % 5],
        images=(ImageFile(f"{0.2 * bool(grade)},{0.2 * grade + stray}", View.PA),),
        sections={"findings": "Seen."},
        grades={EFFUSION: grade},
    )


def read(image):
    return np.asarray([[*map(float, image.path.split(",")), 1.0]])


def measured(studies, *, task=TASK, seen=None):
    benchmark = Benchmark("severity", 1, (), None, task)
    return measure(Measuring(), [(benchmark, Material(studies, read, seen))], OPTIONS)[0]


def test_thresholds_give_each_grade_to_as_many_as_have_it():
    scores, grades = np.array([0.1, 0.9, 0.3, 0.7, 0.5, 0.6]), np.array([0, 3, 1, 1, 0, 3])
    thresholds = choose_thresholds(scores, grades, levels=4)
    assert thresholds.tolist() == pytest.approx([0.4, 0.65, 0.65])
    given = grade_by(scores, thresholds)
    assert np.bincount(given, minlength=4).tolist() == np.bincount(grades, minlength=4).tolist()
    assert count_grades(grades, given, levels=4) == ((1, 1, 0, 0), (1, 0, 0, 1), (0, 0, 0, 0), (0, 1, 0, 1))


def test_grades_that_validation_lacks_lie_beyond_its_scores():
    thresholds = choose_thresholds(np.array([0.2, 0.4]), np.array([1, 1]), levels=3)
    assert grade_by(np.array([0.19, 0.2, 0.4, 0.41]), thresholds).tolist() == [0, 1, 1, 2]


def test_two_grades_need_enough_studies():
    assert enough(np.array([0] * 15 + [2] * 5), studies=20, of_grade=5)
    assert not enough(np.array([0] * 16 + [2] * 4), studies=20, of_grade=5)
    assert not enough(np.array([0] * 9 + [2] * 9), studies=20, of_grade=5)


def test_who_measures_exactly_agrees_exactly():
    result = measured([study(number) for number in range(400)])
    for name in ("spearman/degree", "kappa/degree"):
        for finding in ("macro", EFFUSION):
            one = result.metrics[f"{name}/{finding}"]
            assert (one.value, one.low, one.high) == pytest.approx((1, 1, 1)), name
    assert result.metrics[f"kappa/degree/{EFFUSION}"].n == 240
    degree = next(one for one in result.grades if one.score == "degree")
    assert degree.counts == tuple(tuple(60 * (row == column) for column in range(4)) for row in range(4))
    assert degree.validation == 80
    assert (
        f"Graded test studies: {EFFUSION} 60 of grade 0, 60 of grade 1, 60 of grade 2, 60 of grade 3." in result.notes
    )


def test_figures_are_those_of_other_libraries():
    studies = [study(number, noise=0.3) for number in range(400)]
    result = measured(studies)
    model, degrees = Measuring(), TASK.degrees[0]
    most, absent = (normalize(model.embed_texts(texts).mean(dim=0), dim=0) for texts in (degrees.most, degrees.absent))
    images = model.embed_images([read(one.images[0]) for one in studies])
    scores = (images.double() @ (most.double() - absent.double())).numpy()
    grades = np.array([one.grades[EFFUSION] for one in studies])
    test, validate = (np.array([one.split is split for one in studies]) for split in (Split.TEST, Split.VALIDATE))
    assert result.metrics[f"spearman/degree/{EFFUSION}"].value == pytest.approx(
        spearmanr(scores[test], grades[test]).statistic
    )
    cuts = np.sort(scores[validate])
    given = np.searchsorted([(cuts[20 * k - 1] + cuts[20 * k]) / 2 for k in (1, 2, 3)], scores[test])
    one = result.metrics[f"kappa/degree/{EFFUSION}"]
    assert one.value == pytest.approx(cohen_kappa_score(grades[test], given, weights="quadratic"))
    assert one.low < one.value < one.high


def test_no_test_study_moves_a_threshold():
    studies = [study(number, noise=0.3) for number in range(400)]
    moved = [
        replace(one, grades={EFFUSION: 0}) if one.split is Split.TEST and int(one.id) % 3 else one for one in studies
    ]
    first, second = (measured(these).grades for these in (studies, moved))
    assert [one.thresholds for one in first] == [one.thresholds for one in second]
    assert [one.counts for one in first] != [one.counts for one in second]


def test_only_graded_studies_of_validation_and_test_are_embedded():
    studies = [study(number) for number in range(400)]
    studies[8:16] = [replace(one, grades={}) for one in studies[8:16]]
    model = Measuring()
    measure(model, [(Benchmark("severity", 1, (), None, TASK), Material(studies, read))], OPTIONS)
    assert model.images == sum(bool(one.grades) and one.split is not Split.TRAIN for one in studies)


def test_the_clean_part_keeps_the_thresholds_of_validation():
    studies = [study(number, noise=0.3) for number in range(400)]
    trained = frozenset(one.id for one in studies if int(one.patient) < 10)
    result = measured(studies, seen=Seen(trained))
    assert result.overlap.verdict == "overlapping: 48 of 240"
    clean = measured([one for one in studies if one.split is Split.VALIDATE or one.id not in trained])
    for name in (f"kappa/degree/{EFFUSION}", f"spearman/presence/{EFFUSION}"):
        assert result.overlap.clean[name].value == pytest.approx(clean.metrics[name].value)


def test_without_graded_validation_studies_there_is_no_kappa():
    result = measured([one for one in map(study, range(400)) if one.split is Split.TEST])
    assert f"spearman/degree/{EFFUSION}" in result.metrics
    assert not [name for name in result.metrics if name.startswith("kappa")]
    assert f"Too few graded validation studies for thresholds: {EFFUSION}." in result.notes


def test_the_page_shows_figures_and_grades(tmp_path):
    result = measured([study(number, noise=0.2) for number in range(400)])
    assert [row.figure for row in severity_rows(result)] == ["Macro average", EFFUSION] * 4
    assert {row.chance for row in severity_rows(result)} == {"0"}
    assert [one.title for one in grade_rows(result)] == [
        f"{EFFUSION}, score of presence",
        f"{EFFUSION}, score of degree",
    ]
    page = write_report(tmp_path, [result], run_title="A run").read_text("utf-8")
    assert "Quadratic kappa, score of degree" in page
    assert "What each grade was taken for" in page


def test_a_manifest_without_grades_is_told_and_no_fault(tmp_path):
    result = measured([replace(study(number), grades={}) for number in range(40)])
    assert result.metrics == {}
    assert result.notes == ("No test study has a grade.",)
    assert "too few test studies are graded" in write_report(tmp_path, [result], run_title="A run").read_text("utf-8")
