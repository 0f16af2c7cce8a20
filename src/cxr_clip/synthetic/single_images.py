"""Made-up patients with one frontal image each, and what the tables must say of them."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from cxr_clip.study import Box, Mask, View
from cxr_clip.synthetic.acquisition import Exposure, Picture, Pose, draw_exposure, draw_pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.pathology import FindingInstance, describe, draw_findings
from cxr_clip.synthetic.render import Patient, render


@dataclass(frozen=True)
class SingleImage:
    """One patient, and the picture with the boxes of the sure findings."""

    patient: Patient
    findings: tuple[FindingInstance, ...]
    pose: Pose
    exposure: Exposure
    picture: Picture
    boxes: tuple[Box, ...]

    @property
    def view(self) -> View:
        """PA or AP."""
        return self.pose.view


@dataclass(frozen=True)
class ImageTruth:
    """One line of truth.jsonl: what was drawn, and what a manifest must say of it.

    `labels` maps canonical findings to "positive" or "negative"; boxes are fractions of the image.
    """

    study: str
    patient: str
    path: str
    view: View
    age: float | None
    sex: str
    findings: tuple[FindingInstance, ...]
    labels: Mapping[str, str]
    boxes: tuple[Box, ...] = ()
    masks: tuple[Mask, ...] = ()

    def line(self) -> str:
        """The record as one line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def draw_single(
    seed: tuple[int, ...], *, image_size: int, frequent: str | None = None, square: bool = True
) -> SingleImage:
    """One patient from the front; a third of them have the finding `frequent` alone. The short side is in pixels."""
    body_rng, finding_rng, view_rng = (np.random.default_rng([*seed, number]) for number in range(3))
    body = draw_body(body_rng)
    patient = Patient(body, int(body_rng.integers(2**31)))
    findings = draw_findings(finding_rng)
    if frequent is not None and finding_rng.random() < 1 / 3:
        findings = (describe(frequent, finding_rng),)
    view = View.AP if view_rng.random() < 0.4 else View.PA
    pose, exposure = draw_pose(view_rng, view, body.scale), draw_exposure(view_rng, view)
    pose = Pose(**{**vars(pose), "aspect": 1.0}) if square else pose
    shot = render(patient, findings, pose, exposure, short_side=image_size)
    return SingleImage(patient, findings, pose, exposure, shot.picture, shot.boxes)


def age_text(age: int, rng: np.random.Generator) -> tuple[str, float | None]:
    """An age as headers write it, and what is to be read from it: in years, with a letter, absurd or not at all."""
    style = rng.random()
    if style < 0.05:
        return "", None
    if style < 0.10:
        return "412Y", None
    return (f"{age:03d}Y" if style < 0.6 else str(age)), float(age)


def hexadecimal(rng: np.random.Generator, *lengths: int) -> str:
    """Groups of random hexadecimal digits, joined by hyphens."""
    return "-".join("".join(f"{digit:x}" for digit in rng.integers(16, size=length)) for length in lengths)
