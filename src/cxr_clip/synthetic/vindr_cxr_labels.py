"""What made-up readers see in the images of VinDr-CXR, and the four tables that tell it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxr_clip.data.findings import NO_FINDING, VINDR_CXR, canonical
from cxr_clip.study import Box
from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.single_images import ImageTruth, SingleImage

# The columns of the label tables, in the order of the files; the last but one has another name in the test table.
CLASSES = (
    "Aortic enlargement", "Atelectasis", "Calcification", "Cardiomegaly", "Clavicle fracture", "Consolidation", "Edema",
    "Emphysema", "Enlarged PA", "ILD", "Infiltration", "Lung Opacity", "Lung cavity", "Lung cyst", "Mediastinal shift",
    "Nodule/Mass", "Pleural effusion", "Pleural thickening", "Pneumothorax", "Pulmonary fibrosis", "Rib fracture",
    "Other lesion", "COPD", "Lung tumor", "Pneumonia", "Tuberculosis", "Other diseases", "No finding",
)  # fmt: skip
_TEST_NAMES = {"Other diseases": "Other disease"}
_NONE = "No finding"
_OTHER = "Other lesion"
_DRAWN = {
    "Cardiomegaly": "Cardiomegaly",
    "Pleural Effusion": "Pleural effusion",
    "Pneumothorax": "Pneumothorax",
    "Consolidation": "Consolidation",
    "Edema": "Edema",
    "Atelectasis": "Atelectasis",
    "Nodule": "Nodule/Mass",
    "Mass": "Nodule/Mass",
    "Emphysema": "Emphysema",
    "Hernia": _OTHER,
}
_MISSED = 0.2
_READERS = 17
_UNEVEN = 0.01


@dataclass(frozen=True)
class Reading:
    """What one reader sees: classes, and boxes with a class each, as fractions; `odd` puts that text into a column."""

    reader: str
    classes: frozenset[str]
    boxes: tuple[tuple[str, Box], ...]
    odd: str | None = None


@dataclass(frozen=True)
class VindrImage:
    """One image, the size of its picture in pixels, and its readings in the training ("train") or the test table."""

    truth: ImageTruth
    height: int
    width: int
    part: str
    readings: tuple[Reading, ...]


def three_readings(single: SingleImage, rng: np.random.Generator) -> tuple[Reading, ...]:
    """Three readers, the first of whom sees all; the others miss a finding at times, and each draws boxes anew."""
    all_of_it = _seen(single)
    readings = []
    for place, number in enumerate(rng.choice(_READERS, 3, replace=False)):
        missed = {name for name in sorted(all_of_it) if place > 0 and rng.random() < _MISSED}
        boxes = [(name, _redrawn(box, rng)) for name, box in _boxes(single) if name not in missed]
        readings.append(Reading(f"R{number + 1}", all_of_it - missed or frozenset({_NONE}), tuple(boxes)))
    return tuple(readings)


def consensus(single: SingleImage) -> tuple[Reading, ...]:
    """The one reading of a test image."""
    return (Reading("", _seen(single) or frozenset({_NONE}), tuple(_boxes(single))),)


def labels_of(readings: Iterable[Reading]) -> dict[str, str]:
    """What a manifest must say: positive where any reader sees a finding, "No Finding" where none sees anything."""
    seen = {name for reading in readings for name in reading.classes} - {_NONE}
    positive = {canonical(name) for name in seen - {_OTHER}} or (set() if seen else {NO_FINDING})
    return {name: "positive" if name in positive else "negative" for name in VINDR_CXR}


def write_tables(out: Path, images: Iterable[VindrImage]) -> None:
    """The labels and the boxes of both parts, in the folder annotations/."""
    for part in ("train", "test"):
        rows = [image for image in images if image.part == part]
        who = "image_id,rad_id" if part == "train" else "image_id"
        names = ",".join(name if part == "train" else _TEST_NAMES.get(name, name) for name in CLASSES)
        labels = [f"{who},{names}\n", *(line for image in rows for line in _label_rows(image))]
        boxes = [f"{who},class_name,x_min,y_min,x_max,y_max\n", *(line for image in rows for line in _box_rows(image))]
        write_whole(out / "annotations" / f"image_labels_{part}.csv", "".join(labels).encode())
        write_whole(out / "annotations" / f"annotations_{part}.csv", "".join(boxes).encode())


def _class_of(finding: FindingInstance) -> str | None:
    if finding.name == "Fracture":
        return "Clavicle fracture" if finding.kind == "clavicle" else "Rib fracture"
    return _DRAWN.get(finding.name)


def _seen(single: SingleImage) -> frozenset[str]:
    classes = (_class_of(finding) for finding in single.findings if finding.is_sure)
    return frozenset(name for name in classes if name is not None)


def _boxes(single: SingleImage) -> Iterator[tuple[str, Box]]:
    classes = {finding.name: _class_of(finding) for finding in single.findings}
    for box in single.boxes:
        name = classes[box.finding]
        if name is not None:
            yield name, box


def _redrawn(box: Box, rng: np.random.Generator) -> Box:
    """The box as another hand draws it."""
    left, top, right, bottom = np.clip(
        np.array([box.left, box.top, box.right, box.bottom]) + rng.uniform(-_UNEVEN, _UNEVEN, 4), 0.0, 1.0
    ).tolist()
    return Box(box.finding, box.image, left, top, right, bottom)


def _who(image: VindrImage, reading: Reading) -> str:
    return f"{image.truth.study},{reading.reader}" if image.part == "train" else image.truth.study


def _label_rows(image: VindrImage) -> Iterator[str]:
    for reading in image.readings:
        values = [str(int(name in reading.classes)) for name in CLASSES]
        yield ",".join([_who(image, reading), reading.odd or values[0], *values[1:]]) + "\n"


def _box_rows(image: VindrImage) -> Iterator[str]:
    for reading in image.readings:
        for name, box in reading.boxes:
            across, down = ((box.left, box.right), (box.top, box.bottom))
            x, y = ([f"{side * image.width:.4f}" for side in across], [f"{side * image.height:.4f}" for side in down])
            yield f"{_who(image, reading)},{name},{x[0]},{y[0]},{x[1]},{y[1]}\n"
        if not reading.boxes:
            yield f"{_who(image, reading)},{_NONE},,,,\n"
