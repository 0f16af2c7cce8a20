"""One made-up study of MIMIC-CXR: its images as files, and all that the tables and the reports say of it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cxr_clip.study import Box, View
from cxr_clip.synthetic.acquisition import Picture, draw_exposure, draw_pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.chexpert_labels import chexpert_labels
from cxr_clip.synthetic.dicom_files import DicomHeader, dicom_bytes, draw_style, uid
from cxr_clip.synthetic.files import Truth, write_whole
from cxr_clip.synthetic.house_styles import write_report
from cxr_clip.synthetic.pathology import FindingInstance, draw_findings, followed_up
from cxr_clip.synthetic.planted_faults import PlantedFault
from cxr_clip.synthetic.render import Patient, render
from cxr_clip.synthetic.write_mimic_cxr_report import MimicReport, mimic_report

_STREAM = 3
_STEP = 6_180_339  # has no factor in common with 10,000,000: numbers are spread and never come twice


@dataclass(frozen=True)
class StudyJob:
    """One study to write: visit `visit` of patient `patient`; `number` counts all studies, from 0."""

    out: Path
    seed: int
    number: int
    patient: int
    visit: int
    image_size: int
    dicom: bool


@dataclass(frozen=True)
class ImageRow:
    """A row of the metadata, with the patient and the study that it gives the image to."""

    image: str
    patient: int
    study: int
    position: str
    height: int
    width: int


@dataclass(frozen=True)
class StudyTruth(Truth):
    """What was drawn, with what tables and reports say of it; labels are 1, 0 or -1 by finding, else not mentioned.

    `absent` are the files of listed images that are not there.
    """

    positions: tuple[str, ...]
    splits: tuple[str, ...]
    style: str
    sections: Mapping[str, str]
    labels: Mapping[str, int]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class MimicStudy:
    """A study as it is told by the tables: None where a table or the reports do not have it."""

    truth: StudyTruth
    rows: tuple[ImageRow, ...]
    report: str | None
    chexpert: Mapping[str, int] | None
    negbio: Mapping[str, int] | None
    faults: tuple[PlantedFault, ...] = ()

    @property
    def folder(self) -> str:
        """The folder of the study in its tree."""
        return study_folder(int(self.truth.patient), int(self.truth.study))


def study_folder(patient: int, study: int) -> str:
    """Where a study lies below `files/`."""
    return f"p{patient // 1_000_000}/p{patient}/s{study}"


def write_mimic_study(job: StudyJob) -> MimicStudy:
    """Write the images of one study, and return what tables and reports say of it."""
    body_rng = np.random.default_rng([job.seed, _STREAM, job.patient, 0])
    body = draw_body(body_rng)
    patient = Patient(body, int(body_rng.integers(2**31)))
    findings = _history(job)
    view_rng, text_rng, label_rng = (
        np.random.default_rng([job.seed, _STREAM, job.patient, n, job.visit]) for n in range(2, 5)
    )
    views = _views(findings, view_rng)
    rows: list[ImageRow] = []
    boxes: list[Box] = []
    for number, view in enumerate(views):
        pose, exposure = draw_pose(view_rng, view, body.scale), draw_exposure(view_rng, view)
        shot = render(patient, findings, pose, exposure, short_side=job.image_size, image=number)
        rows.append(_row(job, number, _position(view, view_rng), shot.picture))
        _write_image(job, rows[-1], shot.picture, view_rng)
        boxes += shot.boxes
    report = write_report(findings, text_rng, age=body.age, sex=body.sex)
    text = mimic_report(report, text_rng, with_lateral=View.LATERAL in views)
    return _told(job, rows, views, findings, boxes, text, label_rng)


def _told(
    job: StudyJob,
    rows: list[ImageRow],
    views: list[View],
    findings: tuple[FindingInstance, ...],
    boxes: list[Box],
    report: MimicReport,
    rng: np.random.Generator,
) -> MimicStudy:
    """The records of a study; NegBio's labels differ from CheXpert's in what it takes as denied."""
    labels, negbio = chexpert_labels(findings, rng), chexpert_labels(findings, rng)
    told = {"findings": report.findings, "impression": report.impression}
    truth = StudyTruth(
        study=str(rows[0].study),
        patient=str(rows[0].patient),
        images=tuple(row.image for row in rows),
        views=tuple(views),
        findings=findings,
        boxes=tuple(boxes),
        positions=tuple(row.position for row in rows),
        splits=({0: "test", 3: "validate"}.get(job.patient % 5, "train"),),
        style=report.style,
        sections={name: text for name, text in told.items() if text},
        labels=labels,
    )
    return MimicStudy(truth, tuple(rows), report.text, labels, negbio)


def _history(job: StudyJob) -> tuple[FindingInstance, ...]:
    """The findings at a visit, grown from those of the visits before."""
    findings = draw_findings(np.random.default_rng([job.seed, _STREAM, job.patient, 1, 0]))
    for later in range(1, job.visit + 1):
        findings = followed_up(findings, np.random.default_rng([job.seed, _STREAM, job.patient, 1, later]))
    return findings


def _views(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> list[View]:
    """A bedside film, or PA and lateral, at times with a second frontal or lateral one."""
    bedside = 0.75 if any(f.name in ("Edema", "Support Devices") for f in findings) else 0.25
    if rng.random() < bedside:
        return [View.AP] if rng.random() < 0.85 else [View.AP, View.AP]
    draw = rng.random()
    if draw < 0.1:
        return [View.PA]
    return [View.PA, View.LATERAL] if draw < 0.8 else [View.PA, View.LATERAL, View.LATERAL]


def _position(view: View, rng: np.random.Generator) -> str:
    """The ViewPosition of an image: one image in 25 has none, a lateral one is called LL or LATERAL."""
    if rng.random() < 0.04:
        return ""
    if view is View.LATERAL:
        return "LL" if rng.random() < 0.3 else "LATERAL"
    return view.upper()


def _row(job: StudyJob, number: int, position: str, picture: Picture) -> ImageRow:
    digits = hashlib.sha256(f"{job.seed} {job.number} {number}".encode()).hexdigest()
    image = "-".join(digits[start : start + 8] for start in range(0, 40, 8))
    patient = 10_000_000 + job.patient * _STEP % 10_000_000
    return ImageRow(image, patient, 50_000_000 + job.number * _STEP % 10_000_000, position, *picture.shape)


def _write_image(job: StudyJob, row: ImageRow, picture: Picture, rng: np.random.Generator) -> None:
    folder = job.out / "files" / study_folder(row.patient, row.study)
    if job.dicom:
        write_whole(folder / f"{row.image}.dcm", _dicom(row, picture, rng))
        return
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done, "a picture of 8 bits always encodes"
    write_whole(folder / f"{row.image}.jpg", data.tobytes())


def _dicom(row: ImageRow, picture: Picture, rng: np.random.Generator) -> bytes:
    """As in MIMIC-CXR, mostly uncompressed with more than 8 bits."""
    style = draw_style(rng, bits=(12, 12, 14), syntaxes=("explicit", "explicit", "explicit", "JPEG 2000 lossless"))
    series = int(rng.integers(1, 2**31))
    header = DicomHeader(
        study=uid(row.study),
        series=uid(row.study, series),
        instance=uid(row.study, series, 1),
        patient=str(row.patient),
        age="",
        sex="",
        view=row.position,
    )
    return dicom_bytes(picture, header, style)
