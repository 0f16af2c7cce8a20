"""The side and the grade of a finding in a study: the side from boxes or masks, else both from the words of the report.

Images are as they are read: the patient's right lies on the left of the picture.
"""

from collections.abc import Iterator
from enum import StrEnum

import numpy as np

from cxr_clip.data.labeller import LABELLED_SECTIONS, label_sentence
from cxr_clip.data.run_lengths import picture_of
from cxr_clip.data.sentences import split_sentences
from cxr_clip.data.sides_and_grades import BOTH, GRADES, SIDES
from cxr_clip.study import Box, Certainty, Mask, Study, views_in_use

MARGIN = 0.1  # what has its centre nearer to the middle, in widths of the image, has no side


class Side(StrEnum):
    """A side of the patient."""

    LEFT = "left"
    RIGHT = "right"


def side_of(study: Study, finding: str) -> Side | None:
    """The one side on which a finding lies; None where it is not known, or both are.

    Where the images in use have boxes or masks of it, these decide: all their centres lie on one side. Else the
    sentences that say that it is there, or may be: they name one side, and neither the other nor both.
    """
    centres = list(_centres(study, finding))
    if centres:
        sides = {Side.RIGHT if centre < 0.5 else Side.LEFT for centre in centres}
        return sides.pop() if len(sides) == 1 and min(abs(centre - 0.5) for centre in centres) >= MARGIN else None
    text = " ".join(sentence for sentence, _ in _sentences_on(study, finding))
    named = [side for side in Side if SIDES[side].search(text)]
    return named[0] if len(named) == 1 and not BOTH.search(text) else None


def grade_of(study: Study, finding: str) -> int | None:
    """How much of a finding a report sees: LITTLE, MODERATE or MUCH; None where it does not say, or says two.

    Sentences that say of another finding too that it is there are passed over: the grade may be the other's.
    """
    alone = [
        sentence
        for sentence, said in _sentences_on(study, finding)
        if not any(certainty is not Certainty.NEGATIVE for other, certainty in said.items() if other != finding)
    ]
    found = {grade for sentence in alone for grade, words in GRADES.items() if words.search(sentence)}
    return found.pop() if len(found) == 1 else None


def _sentences_on(study: Study, finding: str) -> Iterator[tuple[str, dict[str, Certainty]]]:
    """The sentences, in small letters, in which a finding is there or may be, with all that they say."""
    for name in LABELLED_SECTIONS:
        for sentence in split_sentences(study.sections.get(name, "")):
            said = dict(label_sentence(sentence))
            if said.get(finding, Certainty.NEGATIVE) is not Certainty.NEGATIVE:
                yield sentence.lower(), said


def _centres(study: Study, finding: str) -> Iterator[float]:
    """Where the boxes and masks of a finding on images in use have their centre, from 0 on the left to 1."""
    in_use = views_in_use([image.view for image in study.images])
    drawn_on: tuple[Box | Mask, ...] = (*study.boxes, *study.masks)
    for drawn in drawn_on:
        if drawn.finding == finding and drawn.image in in_use:
            yield _centre(drawn)


def _centre(drawn: Box | Mask) -> float:
    if isinstance(drawn, Box):
        return (drawn.left + drawn.right) / 2
    columns = picture_of(drawn).sum(axis=0)
    middles = (np.arange(drawn.width) + 0.5) / drawn.width
    return float(columns @ middles / columns.sum()) if columns.any() else 0.5
