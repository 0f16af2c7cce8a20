"""Draw the studies of the CheXpert family: patients with several examinations, labels 1, 0, -1 and blank, reports."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cxr_clip.data.findings import NO_FINDING, TABLE
from cxr_clip.study import Box, View
from cxr_clip.synthetic.acquisition import Picture, draw_exposure, draw_pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.files import Truth, png, write_whole
from cxr_clip.synthetic.house_styles import Report, write_report
from cxr_clip.synthetic.pathology import FindingInstance, describe, draw_findings
from cxr_clip.synthetic.render import Patient, render

LABELS: tuple[str, ...] = tuple(finding.name for finding in TABLE if "chexpert" in finding.sets)
TASKS = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
FIRST_HELD_OUT = 64541  # the first patient of valid.csv in the real collection
_STREAM = 3
_MOST_STUDIES = 4
_EVERY_HELD_OUT = 6
_EVERY_SINGLE = 3
_LABEL_OF = {"Nodule": "Lung Lesion", "Mass": "Lung Lesion"}
_OPAQUE = ("Consolidation", "Edema", "Atelectasis")


@dataclass(frozen=True)
class StudyJob:
    """One study to draw. `single` asks for one of the five findings of 5x200 alone; images go below `folder`."""

    out: Path
    folder: str
    suffix: str
    seed: int
    patient: int
    study: int
    image_size: int
    single: str | None = None

    @property
    def part(self) -> str:
        """The part of the collection that the patient belongs to."""
        return "valid" if self.patient >= FIRST_HELD_OUT else "train"


@dataclass(frozen=True)
class StudyTruth(Truth):
    """What was drawn, and what the tables say of it: `labels` holds the cells, `report` the two sections."""

    part: str
    labels: Mapping[str, str]
    report: Mapping[str, str | None]
    age: int
    sex: str


def study_jobs(job: StudyJob, studies: int, *, all_single: bool = False) -> Iterator[StudyJob]:
    """That many studies like `job`, of patients with one to four each; every sixth patient is held out."""
    made, number = 0, 0
    while made < studies:
        number += 1
        held_out = number % _EVERY_HELD_OUT == 0 and not all_single
        patient = FIRST_HELD_OUT + number // _EVERY_HELD_OUT if held_out else number
        rng = np.random.default_rng([job.seed, _STREAM, patient, 9])
        single = all_single or (number % _EVERY_SINGLE == 1 and not held_out)
        for study in range(1, 1 + min(int(rng.geometric(0.6)), _MOST_STUDIES, studies - made)):
            task = TASKS[made % len(TASKS) if all_single else number // _EVERY_SINGLE % len(TASKS)]
            yield StudyJob(
                out=job.out,
                folder=job.folder,
                suffix=job.suffix,
                seed=job.seed,
                patient=patient,
                study=study,
                image_size=job.image_size,
                single=task if all_single or (single and study == 1) else None,
            )
            made += 1


def draw_study(job: StudyJob) -> StudyTruth:
    """Write the images of one study and return what was drawn."""
    body_rng = np.random.default_rng([job.seed, _STREAM, job.patient, 0])
    finding_rng, view_rng, text_rng = (
        np.random.default_rng([job.seed, _STREAM, job.patient, job.study, n]) for n in range(1, 4)
    )
    body = draw_body(body_rng)
    patient = Patient(body, int(body_rng.integers(2**31)))
    findings = (describe(job.single, finding_rng),) if job.single else draw_findings(finding_rng)
    views = _views(view_rng)
    names: list[str] = []
    boxes: list[Box] = []
    for number, view in enumerate(views):
        pose, exposure = draw_pose(view_rng, view, body.scale), draw_exposure(view_rng, view)
        shot = render(patient, findings, pose, exposure, short_side=job.image_size, image=number)
        plane = "lateral" if view is View.LATERAL else "frontal"
        name = f"{job.part}/patient{job.patient:05d}/study{job.study}/view{number + 1}_{plane}{job.suffix}"
        write_whole(job.out / job.folder / name, _encoded(shot.picture, job.suffix))
        names.append(name)
        boxes += shot.boxes
    report = _whole_report(findings, text_rng, age=body.age, sex=body.sex)
    return StudyTruth(
        study=f"patient{job.patient:05d}_study{job.study}",
        patient=f"patient{job.patient:05d}",
        images=tuple(names),
        views=tuple(views),
        findings=findings,
        boxes=tuple(boxes),
        part=job.part,
        labels=_labels(findings, text_rng, job),
        report={"findings": report.findings, "impression": report.impression},
        age=body.age,
        sex=body.sex,
    )


def _views(rng: np.random.Generator) -> list[View]:
    draw = rng.random()
    if draw < 0.55:
        return [View.AP]
    if draw < 0.65:
        return [View.PA]
    return [View.PA, View.LATERAL] if draw < 0.95 else [View.PA, View.LATERAL, View.PA]


def _encoded(picture: Picture, suffix: str) -> bytes:
    if suffix == ".png":
        return png(picture)
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
    assert done, "a picture of 8 bits always encodes"
    return data.tobytes()


def _whole_report(findings: tuple[FindingInstance, ...], rng: np.random.Generator, *, age: int, sex: str) -> Report:
    """A report without masks, which this collection does not have: names were replaced by others there."""
    while True:
        report = write_report(findings, rng, age=age, sex=sex)
        if "XXXX" not in f"{report.findings} {report.impression}":
            return report


def _labels(findings: tuple[FindingInstance, ...], rng: np.random.Generator, job: StudyJob) -> dict[str, str]:
    """The cells of a row: the labeller's for training, the radiologists' plain 1 and 0 for what is held out."""
    held_out = job.part == "valid"
    cells = {name: "0.0" if held_out or rng.random() < 0.25 else "" for name in LABELS}
    for finding in findings:
        name = _LABEL_OF.get(finding.name, finding.name)
        if name in cells:
            cells[name] = "1.0" if finding.is_sure or held_out else "-1.0"
    if job.single is None and any(cells[name] == "1.0" for name in _OPAQUE) and rng.random() < 0.5:
        cells["Lung Opacity"] = "1.0"
    told = [name for name, cell in cells.items() if cell in ("1.0", "-1.0") and name != "Support Devices"]
    cells[NO_FINDING] = ("0.0" if held_out else "") if told else "1.0"
    return cells
