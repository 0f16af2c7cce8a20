"""One class of several from studies to figures: who counts, what is right, and what cannot be measured."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from cxr_clip.evaluate.benchmarks import measure
from cxr_clip.evaluate.contract import Benchmark, ClassesTask, PromptSet, SetScore
from cxr_clip.evaluate.subject import EvaluationOptions, Material
from cxr_clip.study import Certainty, ImageFile, Split, Study, View

NAMES = ("Edema", "Fracture", "Nodule")
TASK = ClassesTask(tuple(PromptSet(name, (f"{name} 1", f"{name} 2")) for name in NAMES), SetScore.MEAN)
POSITIVE, NEGATIVE = Certainty.POSITIVE, Certainty.NEGATIVE


class Axes:
    """An image is the axis that its pixel names; prompts of class n point along axis n, the second one half."""

    def embed_images(self, images):
        return torch.eye(3)[[int(image[0, 0]) for image in images]]

    def embed_texts(self, texts):
        names = [NAMES.index(text.split()[0]) for text in texts]
        return torch.eye(3)[names] * torch.tensor([1.0 if text.endswith("1") else 0.5 for text in texts])[:, None]


def measured(cases, task=TASK):
    """Measure on studies given as (the axis of the image, the positive findings)."""
    studies = [
        Study(
            id=str(number),
            patient=str(number),
            source="made-up",
            split=Split.TEST,
            images=(ImageFile(str(axis), View.PA),),
            findings={name: POSITIVE if name in positive else NEGATIVE for name in NAMES},
        )
        for number, (axis, positive) in enumerate(cases)
    ]
    material = Material(studies, lambda image: np.full((1, 1), int(image.path), dtype=np.uint8))
    benchmark = Benchmark("classes/made-up", 1, (), None, task)
    return measure(Axes(), [(benchmark, material)], EvaluationOptions(resamples=50))[0]


@pytest.mark.parametrize("score", SetScore)
def test_accuracy_by_class_their_mean_and_of_all(score):
    cases = [(0, ["Edema"]), (0, ["Edema"]), (1, ["Edema"]), (1, ["Fracture"]), (0, ["Nodule"]), (2, ["Nodule"])]
    result = measured(cases, ClassesTask(TASK.sets, score))
    figures = {name: one.value for name, one in result.metrics.items()}
    assert figures == pytest.approx(
        {
            "accuracy/macro": (2 / 3 + 1 + 1 / 2) / 3,
            "accuracy/micro": 4 / 6,
            "accuracy/chance": 1 / 3,
            "accuracy/Edema": 2 / 3,
            "accuracy/Fracture": 1,
            "accuracy/Nodule": 1 / 2,
        }
    )
    assert result.metrics["accuracy/Edema"].n == 3
    assert result.metrics["accuracy/micro"].low < 4 / 6 < result.metrics["accuracy/micro"].high
    assert {SetScore.MEAN: "the mean cosine", SetScore.BEST: "the largest cosine"}[score] in " ".join(result.protocol)


@pytest.mark.parametrize(("turn", "value"), [(0, 1), (1, 0)])
def test_where_all_or_none_are_right_the_intervals_are_wilsons_by_patient(turn, value):
    result = measured([((number + turn) % 3, [NAMES[number]]) for number in range(3) for _ in range(4)])
    for name, patients in {"macro": 12, "micro": 12, **dict.fromkeys(NAMES, 4)}.items():
        found, wilson = result.metrics[f"accuracy/{name}"], binomtest(patients * value, patients)
        expected = wilson.proportion_ci(0.95, method="wilson")
        assert found.value == value
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert found.low < found.high


def test_studies_that_show_none_or_several_of_the_classes_are_left_out_and_counted():
    cases = [(0, ["Edema"]), (1, ["Fracture"]), (2, ["Nodule"]), (2, []), (2, ["Edema", "Nodule"])]
    result = measured(cases)
    assert result.metrics["accuracy/micro"].value == 1
    assert result.population.studies == 3
    assert "2 studies that do not show exactly one of the classes are left out." in result.notes


def test_a_class_without_a_study_is_told_and_nothing_measured():
    result = measured([(0, ["Edema"]), (1, ["Fracture"])])
    assert result.metrics == {}
    assert result.notes[-1] == "Not measured: no study shows Nodule alone."
