"""Side and grade of a finding: from boxes, masks and sentences; what is not sure is not known."""

import numpy as np
import pytest

from cxr_clip.data.run_lengths import runs_of
from cxr_clip.data.sides_and_grades import LITTLE, MODERATE, MUCH
from cxr_clip.evaluate.told_places import Side, grade_of, side_of
from cxr_clip.study import Box, ImageFile, Mask, Split, Study, View
from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.phrases import noun_phrase, sentence

EFFUSION, VIEWS = "Pleural Effusion", (View.PA, View.LATERAL)


def told(text="", *, boxes=(), masks=()):
    images = tuple(ImageFile(str(view), view) for view in VIEWS)
    sections = {"findings": text} if text else {}
    return Study("1", "1", "made-up", Split.TEST, images, sections, boxes=tuple(boxes), masks=tuple(masks))


def box(left, right, image=0, finding=EFFUSION):
    return Box(finding, image, left, 0.5, right, 0.9)


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("Small left pleural effusion.", Side.LEFT),
        ("There is a right-sided pleural effusion. The left lung is clear.", Side.RIGHT),
        ("Left pleural effusion. Possible right pleural effusion.", None),
        ("Bilateral pleural effusions, left larger.", None),
        ("No left pleural effusion, small right pleural effusion.", None),
        ("Left pleural effusion and right pneumothorax.", None),
        ("Pleural effusion.", None),
        ("No left pleural effusion.", None),
        ("", None),
    ],
)
def test_the_side_that_sentences_name(text, side):
    assert side_of(told(text), EFFUSION) is side


@pytest.mark.parametrize(
    ("boxes", "side"),
    [
        ([box(0.1, 0.3)], Side.RIGHT),
        ([box(0.7, 0.9)], Side.LEFT),
        ([box(0.1, 0.3), box(0.7, 0.9)], None),
        ([box(0.3, 0.6)], None),
        ([box(0.7, 0.9, finding="Edema")], Side.RIGHT),
        ([box(0.7, 0.9, image=1)], Side.RIGHT),
    ],
)
def test_boxes_of_the_finding_on_images_in_use_decide_before_the_text(boxes, side):
    assert side_of(told("Right pleural effusion.", boxes=boxes), EFFUSION) is side


@pytest.mark.parametrize(
    ("columns", "side"), [((0, 3), Side.RIGHT), ((6, 10), Side.LEFT), ((2, 9), None), ((0, 0), None)]
)
def test_masks_have_a_side_as_boxes_have(columns, side):
    picture = np.zeros((4, 10), dtype=bool)
    picture[1:3, slice(*columns)] = True
    mask = Mask(EFFUSION, 0, 4, 10, runs_of(picture))
    assert side_of(told(masks=[mask]), EFFUSION) is side


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("Small left pleural effusion.", LITTLE),
        ("Moderate-sized pleural effusion.", MODERATE),
        ("There is a massive pleural effusion.", MUCH),
        ("Small to moderate pleural effusion.", None),
        ("Small pleural effusion. Large right pleural effusion.", None),
        ("Pleural effusion with mild pulmonary edema.", None),
        ("Pleural effusion. Mild cardiomegaly.", None),
        ("No large pleural effusion.", None),
    ],
)
def test_the_grade_that_sentences_on_this_finding_alone_name(text, grade):
    assert grade_of(told(text), EFFUSION) == grade


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("severity", "grade"), [("small", LITTLE), ("moderate", MODERATE), ("large", MUCH)])
@pytest.mark.parametrize("name", [EFFUSION, "Pneumothorax"])
def test_made_up_reports_give_back_the_truth(name, severity, grade, side):
    rng = np.random.default_rng(1)
    for seed in range(20):
        phrase = noun_phrase(FindingInstance(name=name, seed=seed, side=side, severity=severity), rng)
        study = told(sentence(f"There is {phrase.with_article}"))
        assert (side_of(study, name), grade_of(study, name)) == (Side(side), grade), phrase
