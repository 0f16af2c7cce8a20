"""Made-up pictures for the patients of the challenge's own tables: a rehearsal of the download."""

import csv
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cxr_clip.errors import SourceError
from cxr_clip.study import View
from cxr_clip.synthetic.acquisition import Picture, draw_exposure, draw_pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.dicom_files import DicomHeader, DicomStyle, dicom_bytes, uid
from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.pathology import describe
from cxr_clip.synthetic.processes import in_order
from cxr_clip.synthetic.render import Patient, render
from cxr_clip.synthetic.world import World, begin, finish

LABELS, CLASSES = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"
FOLDER = "stage_2_train_images"
_STREAM = 24
_SIDE = 1024  # of every image of the challenge; the boxes of its tables are in these pixels
_NORMAL = "normal"
_NEITHER = ("Cardiomegaly", "Pleural Effusion", "Nodule", "Fracture")  # abnormal, and no opacity
_WHITE = 225.0
_PixelBox = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Job:
    """One image to write: its patient, class and boxes (left, top, width, height) as the tables have them."""

    out: Path
    seed: int
    index: int
    image_size: int
    patient: str
    normal: bool
    boxes: tuple[_PixelBox, ...]


def synthesize_for_tables(
    out: Path,
    tables: Path,
    *,
    studies: int,
    seed: int,
    image_size: int,
    processes: int,
    progress: Callable[[int], None] | None,
) -> None:
    """Write a made-up DICOM image for each of the first `studies` patients that the tables list, beside their copies.

    An opacity is drawn in each box, and something else in an abnormal image without one. Images are drawn with
    `image_size` pixels and enlarged to 1,024. Raises SourceError where the folder `tables` lacks the labels, or they
    list fewer patients.
    """
    contents = _contents(tables)
    boxes, normal = _boxes(tables, contents[LABELS]), _normal_patients(contents.get(CLASSES, b""))
    if studies > len(boxes):
        raise SourceError(f"{tables / LABELS} lists {len(boxes):,} patients, not {studies:,}: ask for at most as many")
    digest = hashlib.sha256(b"".join(contents.values())).hexdigest()[:12]
    world = World(f"rsna_pneumonia of the tables {digest}", studies, seed, image_size)
    if not begin(out, world, progress):
        return
    jobs = (
        _Job(out, seed, index, image_size, patient, patient in normal, boxes[patient])
        for index, patient in enumerate(sorted(boxes)[:studies])
    )
    for _ in in_order(_write, jobs, processes=processes, progress=progress):
        pass
    for name, data in contents.items():
        write_whole(out / name, data)
    finish(out, world)


def _contents(tables: Path) -> dict[str, bytes]:
    found = {name: (tables / name).read_bytes() for name in (LABELS, CLASSES) if (tables / name).is_file()}
    if LABELS not in found:
        raise SourceError(f"{tables} has no {LABELS}: give the folder of the challenge's tables")
    return found


def _boxes(tables: Path, labels: bytes) -> Mapping[str, tuple[_PixelBox, ...]]:
    """The boxes of each patient. Raises SourceError for a table that is not the challenge's."""
    boxes: dict[str, tuple[_PixelBox, ...]] = {}
    try:
        for row in _rows(labels):
            boxes[row["patientId"]] = (*boxes.get(row["patientId"], ()), *_drawable(row))
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise SourceError(f"{tables / LABELS} is not the table of the challenge ({error!r}): get it again") from error
    return boxes


def _drawable(row: Mapping[str, str]) -> Iterator[_PixelBox]:
    """The box of a row, if it has one with an area."""
    if all(row[name] for name in ("x", "y", "width", "height")):
        box = (float(row["x"]), float(row["y"]), float(row["width"]), float(row["height"]))
        if all(map(math.isfinite, box)) and min(box[2:]) > 0:
            yield box


def _normal_patients(classes: bytes) -> frozenset[str]:
    rows = _rows(classes)
    return frozenset(str(row.get("patientId")) for row in rows if (row.get("class") or "").strip().lower() == _NORMAL)


def _rows(table: bytes) -> Iterable[dict[str, str]]:
    return csv.DictReader(table.decode("utf-8-sig").splitlines())


def _write(job: _Job) -> None:
    """Write one image as the challenge has it: JPEG inside, 8 bits, 1,024 pixels square."""
    rng = np.random.default_rng([job.seed, _STREAM, job.index])
    body = draw_body(rng)
    others = () if job.normal or job.boxes else (describe(str(rng.choice(_NEITHER)), rng),)
    view = View.AP if rng.random() < 0.4 else View.PA
    pose, exposure = draw_pose(rng, view, body.scale), draw_exposure(rng, view)
    patient = Patient(body, int(rng.integers(2**31)))
    picture = render(patient, others, pose, exposure, short_side=job.image_size).picture
    picture = cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    for box in job.boxes:
        _draw_opacity(picture, box)
    study, series, instance = (uid(_STREAM, job.seed, job.index, number) for number in range(3))
    age = f"{body.age:03d}Y"
    header = DicomHeader(study, series, instance, patient=job.patient, age=age, sex=body.sex, view=view.upper())
    write_whole(job.out / FOLDER / f"{job.patient}.dcm", dicom_bytes(picture, header, DicomStyle("JPEG baseline")))


def _draw_opacity(picture: Picture, box: _PixelBox) -> None:
    """Whiten a soft ellipse that fills a box, in place; what of it lies outside of the picture is left out."""
    left, top, width, height = box
    columns = slice(max(0, round(left)), max(0, round(left + width)))
    rows = slice(max(0, round(top)), max(0, round(top + height)))
    part = picture[rows, columns].astype(np.float32)
    across = (np.arange(columns.start, columns.start + part.shape[1]) + 0.5 - left) / width - 0.5
    down = (np.arange(rows.start, rows.start + part.shape[0]) + 0.5 - top) / height - 0.5
    away = np.sqrt(across[None, :] ** 2 + down[:, None] ** 2)  # from the middle; 0.5 at the sides of the box
    weight = 0.6 * np.cos(np.pi * np.minimum(away, 0.5))
    picture[rows, columns] = (part + weight * np.maximum(_WHITE - part, 0)).astype(np.uint8)
