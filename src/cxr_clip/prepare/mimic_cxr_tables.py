"""The tables of MIMIC-CXR-JPG in a compact form: images, official split, labels, each by the key of a study.

A key holds the number of the patient and that of the study, so that a study under two patients is two keys.
"""

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Int8, Int64, Shaped, UInt8

from cxr_clip.data.findings import canonical
from cxr_clip.errors import PromptError, SourceError
from cxr_clip.prepare.label_values import certainty_of
from cxr_clip.prepare.table_file import table_columns, text_rows
from cxr_clip.study import Certainty, Split, View

_IDS = ("subject_id", "study_id")
_VIEWS = tuple(View)
_VIEW_OF = {
    **dict.fromkeys(("PA", "PA LLD", "PA RLD"), View.PA),
    **dict.fromkeys(("AP", "AP AXIAL", "AP LLD", "AP RLD"), View.AP),
    **dict.fromkeys(("LATERAL", "LL", "RL", "XTABLE LATERAL"), View.LATERAL),
}
_SPLITS = tuple(Split)
_CERTAINTIES = (None, *Certainty)
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_IMAGE_NAME = re.compile(r"\w[\w.-]{0,99}", re.ASCII)


# A key, or an array of keys.
Keys = TypeVar("Keys", int, Int64[np.ndarray, "keys"])


def study_key(patient: int, study: int) -> int:
    """One number for a study of a patient; both have at most nine digits. Keys sort by patient, then by study."""
    return patient << 32 | study


def patient_of(key: Keys) -> Keys:
    """The patient in a key."""
    return key >> 32


def study_of(key: Keys) -> Keys:
    """The study in a key."""
    return key & 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class ListedImages:
    """The rows of the metadata, sorted by key; `repeated` marks an image that an earlier row has named already."""

    file: Path
    keys: Int64[np.ndarray, "images"]
    names: Shaped[np.ndarray, "images"]
    views: UInt8[np.ndarray, "images"]
    repeated: Bool[np.ndarray, "images"]

    def __len__(self) -> int:
        return len(self.keys)

    def name(self, row: int) -> str:
        """The dicom_id of a row, which is the stem of its file."""
        return str(self.names[row].decode())

    def view(self, row: int) -> View:
        """The view of a row's image; unknown where the table has none or one that is neither frontal nor lateral."""
        return _VIEWS[int(self.views[row])]

    def rows(self, key: int) -> range:
        """The rows of a study; none if the table does not have it."""
        return range(*map(int, np.searchsorted(self.keys, (key, key + 1))))

    def studies(self) -> Int64[np.ndarray, "studies"]:
        """The keys of all studies, each once, in order."""
        return np.unique(self.keys)


@dataclass(frozen=True, eq=False)
class StudySplits:
    """The parts that the table of splits puts each study, and each patient, into: a set of bits each, sorted by key."""

    file: Path
    keys: Int64[np.ndarray, "studies"]
    parts: UInt8[np.ndarray, "studies"]
    patients: Int64[np.ndarray, "patients"]
    parts_of_patients: UInt8[np.ndarray, "patients"]

    def of_study(self, key: int) -> tuple[Split, ...]:
        """The parts that a study is in: none if the table does not name it."""
        place = _place(self.keys, key)
        return () if place is None else _split_names(int(self.parts[place]))

    def count(self, part: Split) -> int:
        """How many studies are in a part."""
        return int((self.parts >> _SPLITS.index(part) & 1).sum())

    def of_patient(self, patient: int) -> tuple[Split, ...]:
        """The parts that any study of a patient is in."""
        place = _place(self.patients, patient)
        return () if place is None else _split_names(int(self.parts_of_patients[place]))


@dataclass(frozen=True, eq=False)
class StudyLabels:
    """The labels of the studies: for each finding 0 where it is not mentioned, else the number of its certainty."""

    file: Path
    findings: tuple[str, ...]
    keys: Int64[np.ndarray, "studies"]
    values: Int8[np.ndarray, "studies findings"]

    def of_study(self, key: int) -> Mapping[str, Certainty] | None:
        """The findings that are spoken of, or None if the table does not name the study."""
        place = _place(self.keys, key)
        if place is None:
            return None
        told = ((name, _CERTAINTIES[value]) for name, value in zip(self.findings, self.values[place], strict=True))
        return {name: certainty for name, certainty in told if certainty is not None}


def read_images(file: Path) -> ListedImages:
    """Read the metadata: dicom_id, subject_id, study_id, ViewPosition. Raises SourceError."""
    keys, views, names = array("q"), array("B"), list[bytes]()
    for row, (name, patient, study, view) in _rows(file, ("dicom_id", *_IDS, "ViewPosition")):
        if not _IMAGE_NAME.fullmatch(name):
            raise SourceError(f"{file} row {row} has the dicom_id {name[:99]!r}, which names no file: get it again")
        keys.append(_key(file, row, patient, study))
        names.append(name.encode())
        views.append(_VIEWS.index(_VIEW_OF.get(" ".join(view.upper().split()), View.UNKNOWN)))
    if not names:
        raise SourceError(f"{file} lists no image: get it again")
    order = np.argsort(np.asarray(keys, np.int64), kind="stable")
    sorted_names = np.asarray(names)[order]
    repeated = np.ones(len(names), np.bool_)
    repeated[np.unique(sorted_names, return_index=True)[1]] = False
    return ListedImages(file, np.asarray(keys, np.int64)[order], sorted_names, np.asarray(views)[order], repeated)


def read_splits(file: Path) -> StudySplits:
    """Read the official split: subject_id, study_id, split (train, validate or test). Raises SourceError."""
    keys, parts = array("q"), array("B")
    for row, (patient, study, split) in _rows(file, (*_IDS, "split")):
        if split not in _SPLITS:
            raise SourceError(f"{file} row {row} has the split {split[:99]!r}; it must be {', '.join(_SPLITS)}")
        keys.append(_key(file, row, patient, study))
        parts.append(1 << _SPLITS.index(Split(split)))
    studies, of_studies = _united(np.asarray(keys, np.int64), np.asarray(parts, np.uint8))
    return StudySplits(file, studies, of_studies, *_united(patient_of(studies), of_studies))


def read_labels(file: Path) -> StudyLabels:
    """Read labels: subject_id, study_id and a column a finding with 1, 0, -1 or nothing in it.

    Raises SourceError for a column that is no finding, another value, or two rows that contradict each other.
    """
    columns = label_columns(file)
    findings = tuple(columns.values())
    keys, values = array("q"), array("b")
    for row, (patient, study, *labels) in _rows(file, (*_IDS, *columns)):
        keys.append(_key(file, row, patient, study))
        values.extend(_labels(file, row, labels))
    table = np.asarray(values, np.int8).reshape(-1, len(findings))
    order = np.argsort(np.asarray(keys, np.int64), kind="stable")
    return _without_repeats(StudyLabels(file, findings, np.asarray(keys, np.int64)[order], table[order]))


def _rows(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows of a table with their numbers, the header being the first."""
    return enumerate(text_rows(file, columns), start=2)


def _key(file: Path, row: int, patient: str, study: str) -> int:
    if not (_NUMBER.fullmatch(patient) and _NUMBER.fullmatch(study)):
        raise SourceError(
            f"{file} row {row} has subject_id {patient[:99]!r} and study_id {study[:99]!r}; "
            "they must be numbers of at most nine digits"
        )
    return study_key(int(patient), int(study))


def label_columns(file: Path) -> dict[str, str]:
    """The findings by the columns of a table of labels. Raises SourceError for a column that is no finding."""
    columns = {name: _finding(file, name) for name in table_columns(file) if name not in _IDS}
    if not columns or len(set(columns.values())) < len(columns):
        raise SourceError(f"{file} must have one column a finding; it has {', '.join(columns) or 'none'}")
    return columns


def _finding(file: Path, column: str) -> str:
    try:
        return canonical(column)
    except PromptError as error:
        raise SourceError(f"{file} has the column {column[:99]!r}, which is no finding: take it out") from error


def _labels(file: Path, row: int, labels: Sequence[str]) -> list[int]:
    try:
        return [_CERTAINTIES.index(certainty_of(label)) for label in labels]
    except ValueError as error:
        raise SourceError(f"{file} row {row}: {error}") from error


def _without_repeats(labels: StudyLabels) -> StudyLabels:
    """The labels with each study once."""
    keys, first = np.unique(labels.keys, return_index=True)
    places = np.searchsorted(keys, labels.keys)
    other = np.flatnonzero((labels.values != labels.values[first][places]).any(axis=1))
    if other.size:
        raise SourceError(
            f"{labels.file} has two different rows for the study {study_of(int(labels.keys[other[0]]))}: keep one"
        )
    return StudyLabels(labels.file, labels.findings, keys, labels.values[first])


def _united(
    keys: Int64[np.ndarray, "rows"], parts: UInt8[np.ndarray, "rows"]
) -> tuple[Int64[np.ndarray, "keys"], UInt8[np.ndarray, "keys"]]:
    """Each key once, with the parts of all its rows."""
    unique, places = np.unique(keys, return_inverse=True)
    united = np.zeros(len(unique), np.uint8)
    np.bitwise_or.at(united, places, parts)
    return unique, united


def _split_names(parts: int) -> tuple[Split, ...]:
    return tuple(split for bit, split in enumerate(_SPLITS) if parts >> bit & 1)


def _place(keys: Int64[np.ndarray, "keys"], key: int) -> int | None:
    place = int(np.searchsorted(keys, key))
    return place if place < len(keys) and keys[place] == key else None
