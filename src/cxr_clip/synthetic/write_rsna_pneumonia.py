"""The made-up world in the raw layout of the RSNA pneumonia challenge: DICOM files, labels with boxes, classes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxr_clip.errors import SourceError
from cxr_clip.study import Box
from cxr_clip.synthetic.dicom_files import DicomHeader, DicomStyle, dicom_bytes, draw_style, uid
from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import PlantedFault, plant_in_files, write_faults
from cxr_clip.synthetic.rsna_of_tables import CLASSES, FOLDER, LABELS, synthesize_for_tables
from cxr_clip.synthetic.single_image_world import ImageJob, Layout, write_world
from cxr_clip.synthetic.single_images import ImageTruth, SingleImage, age_text, draw_single, hexadecimal

_STREAM = 21
_DRAWN = "Consolidation"  # what is drawn where the challenge speaks of pneumonia
_LABELS_HEADER = "patientId,x,y,width,height,Target\n"
_CLASSES_HEADER = "patientId,class\n"
_OPACITY, _OTHER, _NORMAL = "Lung Opacity", "No Lung Opacity / Not Normal", "Normal"
_NO_BOX = (",,,,0",)


@dataclass(frozen=True)
class RsnaImage:
    """One image as its rows tell it: what follows the patientId in the labels (a text a row), and its class."""

    truth: ImageTruth
    rows: tuple[str, ...]
    name: str


def synthesize_rsna_pneumonia(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    faults: bool = False,
    tables: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write `studies` images as the challenge is distributed, with truth.jsonl beside them.

    Image k depends on (seed, k) alone. With `faults` there are further images with one thing wrong each, which
    faults.jsonl lists. With `tables`, a folder with the challenge's own tables, the images are for the first patients
    of these, and the tables are the truth. A world that is there already is passed over; one that was begun is drawn
    again from its start.

    Raises SourceError where the folder holds anything else, where there are both faults and tables, or processes for
    drawing fail, and MissingPackageError where pydicom is not installed.
    """
    if tables is not None:
        if faults:
            raise SourceError("faults are planted in made-up tables alone: leave out the faults or the tables")
        synthesize_for_tables(
            out, tables, studies=studies, seed=seed, image_size=image_size, processes=processes, progress=progress
        )
        return
    first = ImageJob(out, seed, 0, image_size)
    layout = Layout("rsna_pneumonia", write_rsna_image, _plant, _write_tables)
    write_world(first, layout, studies=studies, processes=processes, faults=faults, progress=progress)


def write_rsna_image(job: ImageJob) -> RsnaImage:
    """Write one image and return its rows."""
    rng = np.random.default_rng([job.seed, _STREAM, job.index, 9])
    style = draw_style(rng, bits=(8,), syntaxes=("JPEG baseline", "JPEG baseline", "explicit", "RLE"))
    return _write(job, style, rng)


def _write(job: ImageJob, style: DicomStyle, rng: np.random.Generator) -> RsnaImage:
    single = draw_single((job.seed, _STREAM, job.index), image_size=job.image_size, frequent=_DRAWN)
    patient, body = hexadecimal(rng, 8, 4, 4, 4, 12), single.patient.body
    text, age = age_text(body.age, rng)
    study, series, instance = (uid(_STREAM, job.seed, job.index, number) for number in range(3))
    header = DicomHeader(study, series, instance, patient=patient, age=text, sex=body.sex, view=single.view.upper())
    path = f"{FOLDER}/{patient}.dcm"
    write_whole(job.out / path, dicom_bytes(single.picture, header, style))
    boxes, name = _boxes(single), _class(single)
    truth = ImageTruth(
        patient, patient, path, single.view, age, body.sex, single.findings, labels=_labels(name), boxes=boxes
    )
    return RsnaImage(truth, tuple(_row(box, job.image_size) for box in boxes) or _NO_BOX, name)


def _boxes(single: SingleImage) -> tuple[Box, ...]:
    return tuple(replace(box, finding="Pneumonia") for box in single.boxes if box.finding == _DRAWN)


def _class(single: SingleImage) -> str:
    if _boxes(single):
        return _OPACITY
    return _OTHER if single.findings else _NORMAL


def _labels(name: str) -> dict[str, str]:
    """The class as findings, as a manifest must have them."""
    opacity, normal = ("positive" if name == wanted else "negative" for wanted in (_OPACITY, _NORMAL))
    return {"Pneumonia": opacity, "Lung Opacity": opacity, "No Finding": normal}


def _row(box: Box, side: int) -> str:
    """Left, top, width, height and target; the images are square."""
    numbers = (box.left, box.top, box.right - box.left, box.bottom - box.top)
    return ",".join(f"{number * side:.3f}" for number in numbers) + ",1"


def _write_tables(out: Path, images: Iterable[RsnaImage]) -> None:
    """Labels have a row a box, and so have the classes."""
    labels, classes = [_LABELS_HEADER], [_CLASSES_HEADER]
    for image in images:
        labels += (f"{image.truth.patient},{row}\n" for row in image.rows)
        classes += (f"{image.truth.patient},{image.name}\n" for _ in image.rows)
    write_whole(out / LABELS, "".join(labels).encode())
    write_whole(out / CLASSES, "".join(classes).encode())


def _plant(first: ImageJob) -> list[RsnaImage]:
    """Write further images with a fault each, and faults.jsonl; the rows of those that are listed."""
    made = [_planted(replace(first, index=first.index + number)) for number in range(10)]
    faults = plant_in_files(first.out, [image.truth for image in made])
    beyond = f"10,10,{2 * first.image_size},5,1"
    wrong = (
        (made[6], "study", ("1,1,5,5,1", *_NO_BOX), _OPACITY, "contradict"),
        (made[7], "study", (",,,,2",), _NORMAL, "neither 0 nor 1"),
        (made[8], "study", _NO_BOX, _OPACITY, "contradict"),
        (made[9], "box", ("1,1,5,5,1", beyond), _OPACITY, "does not lie in the image"),
    )
    faults += (PlantedFault(kind, image.truth.path, image.truth.study, why) for image, kind, _, _, why in wrong)
    write_faults(first.out, faults)
    plain = [replace(image, rows=_NO_BOX, name=_NORMAL) for image in made[:5]]
    return [*plain, *(replace(image, rows=rows, name=name) for image, _, rows, name, _ in wrong)]


def _planted(job: ImageJob) -> RsnaImage:
    return _write(job, DicomStyle("explicit"), np.random.default_rng([job.seed, _STREAM, job.index, 9]))
