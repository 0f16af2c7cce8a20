"""The paper's comparison: plain CLIP; with two views, two texts, ICL and TCL; with label data through prompts.

What the paper claims of it is listed beside what came out here, whatever that is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.errors import ExperimentError
from cxr_clip.experiments.arms import Arm
from cxr_clip.experiments.comparison import Compared, Contrast
from cxr_clip.experiments.measured import IMAGE_TO_TEXT, MACRO, TEXT_TO_IMAGE
from cxr_clip.experiments.words import told_apart
from cxr_clip.recipe import Recipe

PLAIN, STUDY, LABELS = "a: plain CLIP", "b: two views, ICL, TCL", "c: and label prompts"
HOLDS, OPPOSITE, OPEN = "holds here", "does not hold here", "not told apart"
PAIRS = ((STUDY, PLAIN), (LABELS, STUDY), (LABELS, PLAIN))


@dataclass(frozen=True)
class Claim:
    """What the paper says of one arm against another in one figure: that it is higher, or lower."""

    words: str
    arm: str
    against: str
    figure: str
    higher: bool


CLAIMS = (
    Claim("ICL and TCL with two views and two texts improve classification.", STUDY, PLAIN, MACRO, True),
    Claim("They improve retrieval of reports by images.", STUDY, PLAIN, IMAGE_TO_TEXT, True),
    Claim("They improve retrieval of images by reports.", STUDY, PLAIN, TEXT_TO_IMAGE, True),
    Claim("Label data through prompts improves classification.", LABELS, STUDY, MACRO, True),
    Claim("It slightly lowers retrieval of reports by images.", LABELS, STUDY, IMAGE_TO_TEXT, False),
    Claim("It slightly lowers retrieval of images by reports.", LABELS, STUDY, TEXT_TO_IMAGE, False),
)


@dataclass(frozen=True)
class Verdict:
    """A claim with the paired difference that decides it."""

    claim: Claim
    contrast: Contrast
    outcome: str


def first_three(recipe: Recipe, reports: Path, labels: Sequence[Path]) -> tuple[Arm, Arm, Arm]:
    """The three arms, on a manifest with reports and on others with labels.

    How their studies are put into words is said by the first source of the recipe and, for labels, by its second.
    """
    if not labels:
        raise ExperimentError("the third arm needs studies with labels: give a manifest with --labels")
    first, *others = recipe.data.sources
    of_reports = {**first.model_dump(mode="json"), "manifest": str(reports)}
    wording = others[0].model_dump(mode="json") if others else {}
    alone = f"data.sources={json.dumps([of_reports])}"
    both = f"data.sources={json.dumps([of_reports, *({**wording, 'manifest': str(one)} for one in labels)])}"
    two = ("data.images_per_study=2", "data.texts_per_study=2")
    one = ("data.images_per_study=1", "data.texts_per_study=1", "loss.image_image=0", "loss.text_text=0")
    return Arm(PLAIN, (alone, *one)), Arm(STUDY, (alone, *two)), Arm(LABELS, (both, *two))


def verdicts(compared: Compared) -> tuple[Verdict, ...]:
    """Judge every claim whose figure was measured, by the p value with all differences of the comparison in mind."""
    found = {(one.arm, one.against, one.figure): one for one in compared.contrasts}
    keys = [(claim, (claim.arm, claim.against, claim.figure)) for claim in CLAIMS]
    return tuple(Verdict(claim, found[key], _outcome(claim, found[key])) for claim, key in keys if key in found)


def _outcome(claim: Claim, contrast: Contrast) -> str:
    if not told_apart(contrast):
        return OPEN
    return HOLDS if (contrast.difference.estimate.value > 0) == claim.higher else OPPOSITE
