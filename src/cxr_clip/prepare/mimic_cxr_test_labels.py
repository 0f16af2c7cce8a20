"""The labels that a radiologist gave studies of the test part, by their reports: a table of MIMIC-CXR-JPG 2.1.0.

mimic-cxr-2.1.0-test-set-labeled.csv has a row a study: study_id and a column a finding with 1, 0, -1 or nothing in it.
https://physionet.org/content/mimic-cxr-jpg/2.1.0/
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.errors import SourceError
from cxr_clip.prepare.label_values import certainty_of
from cxr_clip.prepare.mimic_cxr_tables import ListedImages, StudySplits, label_columns, study_of
from cxr_clip.prepare.records import Rejection
from cxr_clip.prepare.table_file import text_rows
from cxr_clip.study import Certainty, Split

_STUDY = "study_id"


@dataclass(frozen=True)
class TestLabels:
    """The findings by key of a study, and the rows that cannot be used."""

    __test__ = False  # pytest takes the name for a test's

    file: Path
    findings: Mapping[int, Mapping[str, Certainty]]
    rejections: tuple[Rejection, ...]


def read_test_labels(file: Path, images: ListedImages, splits: StudySplits) -> TestLabels:
    """Read the table; a row of no study of the test part, a second one of a study, and odd labels are left out.

    Raises SourceError for a column that is no finding, or if no row can be used.
    """
    columns = label_columns(file)
    keys = {int(study_of(int(key))): int(key) for key in images.studies()}
    findings: dict[int, Mapping[str, Certainty]] = {}
    rejections: list[Rejection] = []
    for study, *cells in text_rows(file, (_STUDY, *columns)):
        try:
            key = _key(study, keys, splits, findings)
            findings[key] = _findings(tuple(columns.values()), cells)
        except ValueError as error:
            rejections.append(Rejection("labels", file.name, study[:99], str(error)))
    if not findings:
        raise SourceError(f"{file} has no row that can be used, of {len(rejections):,}: get it again")
    return TestLabels(file, findings, tuple(rejections))


def _key(study: str, keys: Mapping[int, int], splits: StudySplits, known: Mapping[int, object]) -> int:
    """The key of a study. Raises ValueError for what is none of the test part, or was named before."""
    key = keys.get(int(study)) if study.isdecimal() and len(study) < 10 else None
    if key is None:
        raise ValueError("a radiologist's labels of a study that the metadata does not list")
    if key in known:
        raise ValueError("a second row of a radiologist's labels; the first one counts")
    if splits.of_study(key) != (Split.TEST,):
        raise ValueError("a radiologist's labels of a study that is not in the test part; they are not used")
    return key


def _findings(names: Sequence[str], cells: Sequence[str]) -> dict[str, Certainty]:
    told: Iterator[tuple[str, Certainty | None]] = zip(names, map(certainty_of, cells), strict=True)
    return {name: certainty for name, certainty in told if certainty is not None}
