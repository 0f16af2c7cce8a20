"""The four tables of VinDr-CXR: labels of three readers (training) or of their consensus (test), and boxes."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.data.findings import NO_FINDING, VINDR_CXR, canonical
from cxr_clip.errors import PromptError, SourceError
from cxr_clip.prepare.files import RawFiles, read_columns, read_csv

# Columns that name no one thing; an image with only these is not free of findings.
_OTHERS = ("other lesion", "other lesions", "other disease", "other diseases")
_BOX_COLUMNS = ("image_id", "class_name", "x_min", "y_min", "x_max", "y_max")
_CONSENSUS = "consensus"
_VALUES = {"": False, "0": False, "0.0": False, "1": True, "1.0": True}


@dataclass(frozen=True)
class Reading:
    """What one reader says of an image: the findings that are there, and whether something without a name is."""

    reader: str
    findings: frozenset[str]
    other: bool


@dataclass(frozen=True)
class PixelBox:
    """A row of the boxes: a finding, and its left, top, right and bottom in pixels."""

    finding: str
    corners: tuple[float, float, float, float]


@dataclass(frozen=True)
class PartTables:
    """The tables of the training or of the test images, by image.

    `readings` are those of each reader, a text instead of one where a row cannot be read. `others` counts the boxes
    of lesions without a name, which are left out.
    """

    readings: Mapping[str, tuple[Reading | str, ...]]
    boxes: Mapping[str, tuple[PixelBox, ...]]
    others: int


def read_part(files: RawFiles, part: str, annotations: Path | None) -> PartTables | None:
    """The tables of a part ("train" or "test") in the folder `annotations`, or else in the raw folder; None without.

    Raises SourceError for a table whose columns or rows are not those of VinDr-CXR.
    """
    labels, boxes = (_find(files, f"{stem}_{part}.csv", annotations) for stem in ("image_labels", "annotations"))
    if labels is None:
        return None
    found, others = _read_boxes(boxes) if boxes else ({}, 0)
    return PartTables(readings=_read_labels(labels), boxes=found, others=others)


def _find(files: RawFiles, name: str, annotations: Path | None) -> Path | None:
    if annotations is None:
        return files.named(name)
    return annotations / name if (annotations / name).is_file() else None


def _read_labels(file: Path) -> dict[str, tuple[Reading | str, ...]]:
    header, _ = read_csv(file)
    columns = {column: _finding(column, file) for column in header if column not in ("image_id", "rad_id")}
    missing = set(VINDR_CXR) - set(columns.values())
    if missing:
        raise SourceError(f"{file} has no column for {', '.join(sorted(missing))}: download it again")
    readings: defaultdict[str, list[Reading | str]] = defaultdict(list)
    who = ("rad_id",) if "rad_id" in header else ("image_id",)
    for image, reader, *values in read_columns(file, ("image_id", *who, *columns)):
        name = reader if "rad_id" in header else _CONSENSUS
        readings[image].append(_reading(name, dict(zip(columns, values, strict=True)), columns))
    return {image: tuple(dict.fromkeys(found)) for image, found in readings.items()}


def _finding(column: str, file: Path) -> str | None:
    """The canonical finding of a column, None for those without a name. Raises SourceError for an unknown column."""
    if column.lower() in _OTHERS:
        return None
    try:
        return canonical(column)
    except PromptError as error:
        raise SourceError(f"{file} has the column {column!r}, which VinDr-CXR 1.0.0 does not have: {error}") from error


def _reading(reader: str, row: Mapping[str, str], columns: Mapping[str, str | None]) -> Reading | str:
    odd = [f"{column} {value!r}" for column, value in row.items() if value not in _VALUES]
    if odd:
        return f"labels that are neither 0 nor 1: {', '.join(odd[:3])}"
    there = [columns[column] for column, value in row.items() if _VALUES[value]]
    return Reading(reader, frozenset(name for name in there if name is not None), None in there)


def _read_boxes(file: Path) -> tuple[dict[str, tuple[PixelBox, ...]], int]:
    """The boxes by image, each once, and the number of those of lesions without a name; other rows say nothing."""
    boxes: defaultdict[str, dict[PixelBox, None]] = defaultdict(dict)
    others = 0
    for line, (image, name, *sides) in enumerate(read_columns(file, _BOX_COLUMNS), start=2):
        if not any(sides):
            continue
        finding = _finding(name, file)
        if finding is None or finding == NO_FINDING:
            others += 1
            continue
        try:
            left, top, right, bottom = map(float, sides)
        except ValueError:
            raise SourceError(f"{file} line {line} is no box ({', '.join(sides)}): download the file again") from None
        boxes[image][PixelBox(finding, (left, top, right, bottom))] = None
    return {image: tuple(found) for image, found in boxes.items()}, others
