"""The other side and the other grade of a sentence: exchanged where there is one of them, and nowhere else."""

import pytest

from cxr_clip.data.sides_and_grades import other_grade, other_side


@pytest.mark.parametrize(
    ("sentence", "other"),
    [
        ("Left pleural effusion.", "Right pleural effusion."),
        ("Right-sided pneumothorax, right apex.", "Left-sided pneumothorax, left apex."),
        ("An effusion on the LEFT.", "An effusion on the RIGHT."),
        ("Bilateral effusions, left larger.", None),
        ("Left effusion and right pneumothorax.", None),
        ("Pleural effusion, leftover contrast.", None),
    ],
)
def test_the_other_side(sentence: str, other: str | None) -> None:
    found = other_side(sentence)
    assert (found and found.sentence) == other


@pytest.mark.parametrize(
    ("sentence", "other"),
    [
        ("Small effusion.", "Large effusion."),
        ("The heart is mildly enlarged.", "The heart is severely enlarged."),
        ("Massive effusion.", "Tiny effusion."),
        ("A minimal left effusion.", "An extensive left effusion."),
        ("There is an extensive effusion.", "There is a minimal effusion."),
        ("Moderate effusion.", None),
        ("Small to moderate effusion.", None),
        ("A small left and a large right effusion.", None),
        ("Cardiomegaly.", None),
    ],
)
def test_the_other_grade(sentence: str, other: str | None) -> None:
    found = other_grade(sentence)
    assert (found and found.sentence) == other


def test_the_direction_is_told() -> None:
    left, trace = other_side("An effusion on the LEFT."), other_grade("Trace effusion.")
    assert left is not None
    assert trace is not None
    assert (left.said, left.instead) == ("left", "right")
    assert (trace.said, trace.instead) == ("little", "much")
