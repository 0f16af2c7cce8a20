"""RSNA pneumonia challenge: 26,684 frontal DICOM images of ChestX-ray14 with a label each and boxes of opacities.

A study is one image; its id and its patient are the patientId. The split is that of GLoRIA. G. Shih et al., Radiology:
Artificial Intelligence 2019, https://www.kaggle.com/competitions/rsna-pneumonia-detection-challenge
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.data.findings import NO_FINDING
from cxr_clip.prepare.files import RawFiles, list_files, read_columns
from cxr_clip.prepare.image_headers import ImageHeader, read_header, size_as_distributed
from cxr_clip.prepare.listed_images import image_source
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.pixel_boxes import box_of_pixels
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource, Rejection
from cxr_clip.prepare.splits import split_70_15_15
from cxr_clip.study import Box, Certainty, ImageFile, Split, Study, View

NAME = "rsna_pneumonia"
LABELS = "stage_2_train_labels.csv"
CLASSES = "stage_2_detailed_class_info.csv"
_FINDING = "Pneumonia"
_OPACITY = "Lung Opacity"
_LABEL_COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
# All images are distributed with this side; boxes are in its pixels, whatever a PNG copy was reduced to.
_SIDE = 1024
_POSITIVE, _NEGATIVE = Certainty.POSITIVE, Certainty.NEGATIVE
# The class of an image: what it says of pneumonia, of opacities, of there being no finding at all.
_FINDINGS: Mapping[str, Mapping[str, Certainty]] = {
    "lung opacity": {_FINDING: _POSITIVE, _OPACITY: _POSITIVE, NO_FINDING: _NEGATIVE},
    "no lung opacity / not normal": {_FINDING: _NEGATIVE, _OPACITY: _NEGATIVE, NO_FINDING: _NEGATIVE},
    "normal": {_FINDING: _NEGATIVE, _OPACITY: _NEGATIVE, NO_FINDING: _POSITIVE},
}


@dataclass(frozen=True)
class _Row:
    """A row of the labels: a target, and the left, top, width and height of a box, as text; "" without one."""

    target: str
    box: tuple[str, str, str, str]


@dataclass(frozen=True)
class _Tables:
    """What is known of patients."""

    raw: Path
    rows: Mapping[str, tuple[_Row, ...]]
    classes: Mapping[str, frozenset[str]]
    splits: Mapping[str, Split]


def prepare_rsna_pneumonia(
    raw: Path,
    out: Path,
    options: PrepareOptions,
    *,
    labels: Path | None = None,
    classes: Path | None = None,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Prepare an RSNA pneumonia folder; see `read_rsna_pneumonia`. Raises SourceError if the layout is another."""
    return run_pipeline(read_rsna_pneumonia(raw, labels=labels, classes=classes), out, options, progress=progress)


def read_rsna_pneumonia(raw: Path, *, labels: Path | None = None, classes: Path | None = None) -> RawSource:
    """Read the tables of an RSNA pneumonia folder and find the listed images that are there; none is decoded.

    `labels` and `classes` are stage_2_train_labels.csv and stage_2_detailed_class_info.csv; without them they are
    looked for in the raw folder, and the classes may be absent. The split is drawn over all patients that the labels
    list, so that a partial download gives the same one. Views, ages and sexes come from the headers, read as the
    drafts are asked for. Raises SourceError if the labels are missing or no listed image is there.
    """
    files = list_files(raw)
    rows: defaultdict[str, list[_Row]] = defaultdict(list)
    for patient, left, top, width, height, target in read_columns(
        labels or files.require(LABELS, what="the labels and boxes of all images"), _LABEL_COLUMNS
    ):
        rows[patient].append(_Row(target, (left, top, width, height)))
    told = _read_classes(classes or files.named(CLASSES))
    tables = _Tables(
        raw=files.root,
        rows={patient: tuple(dict.fromkeys(found)) for patient, found in rows.items()},
        classes=told,
        splits=split_70_15_15(rows),
    )
    return _source(files, tables, repeated=sum(len(found) - len(set(found)) for found in rows.values()))


def _source(files: RawFiles, tables: _Tables, *, repeated: int) -> RawSource:
    def drafts(present: Iterable[tuple[str, str]]) -> Iterator[Study | Rejection]:
        for patient, path in present:
            yield from _draft(patient, path, tables)

    remarks = {
        "patients without a class in the detailed class info": len(tables.rows.keys() - tables.classes.keys()),
        "rows of labels that come twice, used once": repeated,
    }
    hint = "unpack stage_2_train_images.zip there"
    return image_source(NAME, files, tables.rows, drafts, hint=hint, remarks=remarks)


def _draft(patient: str, path: str, tables: _Tables) -> Iterator[Study | Rejection]:
    """The boxes that are left out, then the study."""
    try:
        findings = _findings(tables.rows[patient], tables.classes.get(patient, frozenset()))
    except ValueError as error:
        yield Rejection("study", path, patient, str(error))
        return
    header = read_header(tables.raw / path)
    boxes: list[Box] = []
    for row in tables.rows[patient]:
        try:
            boxes.extend(_boxes(row, path, header))
        except ValueError as error:
            yield Rejection("box", path, patient, str(error))
    yield Study(
        id=patient,
        patient=patient,
        source=NAME,
        split=tables.splits[patient],
        images=(ImageFile(path, header.view or View.FRONTAL),),
        findings=findings,
        boxes=tuple(boxes),
        age=header.age,
        sex=header.sex,
    )


def _findings(rows: tuple[_Row, ...], classes: frozenset[str]) -> Mapping[str, Certainty]:
    """What target and class say together. Raises ValueError where they say nothing, or contradict each other."""
    targets = {row.target for row in rows}
    for what, values in (("target", targets), ("class", classes)):
        if len(values) > 1:
            raise ValueError(f"its rows contradict each other in the {what}: {', '.join(sorted(values))}")
    (target,) = targets
    if target not in ("0", "1"):
        raise ValueError(f"the target {target!r} is neither 0 nor 1")
    pneumonia = _POSITIVE if target == "1" else _NEGATIVE
    if not classes:
        return {_FINDING: pneumonia}
    (name,) = classes
    if name.lower() not in _FINDINGS:
        raise ValueError(f"the class {name!r} is none of {', '.join(_FINDINGS)}")
    findings = _FINDINGS[name.lower()]
    if findings[_FINDING] is not pneumonia:
        raise ValueError(f"the target {target} and the class {name!r} contradict each other")
    return findings


def _boxes(row: _Row, path: str, header: ImageHeader) -> Iterator[Box]:
    """The box of a row, if it has one. Raises ValueError for one that is none."""
    if not any(row.box):
        return
    try:
        left, top, width, height = map(float, row.box)
    except ValueError:
        raise ValueError(f"the box {', '.join(row.box)} is not made of numbers") from None
    rows, columns = size_as_distributed(path, header, side=_SIDE)
    yield box_of_pixels(_FINDING, (left, top, left + width, top + height), height=rows, width=columns)


def _read_classes(file: Path | None) -> dict[str, frozenset[str]]:
    """The classes of each patient, one if the table is sound; none without the table."""
    classes: defaultdict[str, set[str]] = defaultdict(set)
    for patient, name in read_columns(file, ("patientId", "class")) if file else ():
        classes[patient].add(name)
    return {patient: frozenset(names) for patient, names in classes.items()}
