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
    assert other_side(sentence) == other


@pytest.mark.parametrize(
    ("sentence", "other"),
    [
        ("Small effusion.", "Large effusion."),
        ("The heart is mildly enlarged.", "The heart is severely enlarged."),
        ("Massive effusion.", "Tiny effusion."),
        ("Moderate effusion.", None),
        ("Small to moderate effusion.", None),
        ("A small left and a large right effusion.", None),
        ("Cardiomegaly.", None),
    ],
)
def test_the_other_grade(sentence: str, other: str | None) -> None:
    assert other_grade(sentence) == other
