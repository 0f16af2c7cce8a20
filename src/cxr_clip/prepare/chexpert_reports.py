"""Read the tables of CheXpert Plus: the reports of CheXpert's studies, and labels made from them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cxr_clip.data.findings import canonical
from cxr_clip.data.reports import sections_from_labelled
from cxr_clip.errors import PromptError, SourceError
from cxr_clip.prepare.chexpert_images import ImageKey, Labels, image_key, view_of
from cxr_clip.prepare.chexpert_rows import Row, Rows
from cxr_clip.prepare.chexpert_table import CHEXPERT, NO_KEY, finding_columns
from cxr_clip.prepare.label_values import is_blank, sex_of, years_of
from cxr_clip.prepare.packed_labels import PackedLabels
from cxr_clip.prepare.records import Rejection
from cxr_clip.prepare.table_file import table_columns, text_rows
from cxr_clip.study import Certainty

FILE_NAME = "df_chexpert_plus_240401.csv"
_COLUMNS = ("path_to_image", "frontal_lateral", "ap_pa", "age", "sex", "split")
# The accession number, race, insurance and what else tells of a person beyond age and sex is not read.
_SECTIONS = {
    "section_clinical_history": "indication",
    "section_history": "history",
    "section_comparison": "comparison",
    "section_technique": "technique",
    "section_findings": "findings",
    "section_impression": "impression",
}
_NEEDED = ("section_findings", "section_impression")


@dataclass(frozen=True)
class PlusTable:
    """CheXpert Plus by rows of its two parts; a row has the sections of its study, if its study has any."""

    train: Rows
    valid: Rows
    rejections: list[Rejection]

    def rows(self) -> Iterator[Row]:
        """All rows, those that train first."""
        return chain(self.train, self.valid)

    def impressions(self) -> dict[str, str]:
        """The impression of each study that has one."""
        found: dict[str, str] = {}
        for row in self.rows():
            if row.sections and row.key.study_id not in found:
                found[row.key.study_id] = row.sections.get("impression", "")
        return {study: text for study, text in found.items() if text}


def read_plus(file: Path, labels: "LabelsByImage") -> PlusTable:
    """Read df_chexpert_plus_240401.csv; `labels` are those by image, for rows that have any.

    The first row of a study that has findings or impression gives its sections. Raises SourceError if a column is
    missing.
    """
    present = [column for column in _SECTIONS if column in (*_NEEDED, *table_columns(file))]
    table = PlusTable(Rows(CHEXPERT), Rows(CHEXPERT), [])
    parts = {"train": table.train, "valid": table.valid}
    seen: set[ImageKey] = set()
    for path, plane, direction, age, sex, split, *texts in text_rows(file, [*_COLUMNS, *present]):
        key = image_key(path)
        reason = _why_not(key, split, seen, file)
        if key is None or reason is not None:
            table.rejections.append(Rejection("image", path, None if key is None else key.study_id, reason or NO_KEY))
            continue
        seen.add(key)
        told = _sections(dict(zip(present, texts, strict=True)))
        view, years = view_of(plane, direction), years_of(age) or None
        parts[split.lower()].append(Row(path, key, view, labels.of(key), years, sex_of(sex), told))
    return table


def _why_not(key: ImageKey | None, split: str, seen: set[ImageKey], file: Path) -> str | None:
    if key is None:
        return NO_KEY
    if key in seen:
        return f"{file.name} lists this image twice"
    return None if split.lower() in ("train", "valid") else f"the split {split!r} is neither train nor valid"


def _sections(texts: Mapping[str, str]) -> dict[str, str]:
    """The cleaned sections of a report; none at all where there is neither findings nor impression."""
    sections = sections_from_labelled((_SECTIONS[column], text) for column, text in texts.items() if not is_blank(text))
    return sections if sections.keys() & {"findings", "impression"} else {}


class LabelsByImage:
    """The findings of each labelled image."""

    def __init__(self) -> None:
        self._numbers: dict[ImageKey, int] = {}
        self._findings = PackedLabels(CHEXPERT)

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, key: ImageKey, findings: Mapping[str, Certainty]) -> None:
        """Label an image; of several labels of one image the last ones count."""
        self._numbers[key] = self._findings.append(findings)

    def of(self, key: ImageKey) -> Mapping[str, Certainty]:
        """The findings of an image; none if it is not labelled."""
        return {} if key not in self._numbers else self._findings[self._numbers[key]]


def read_labels(file: Path) -> LabelsByImage:
    """Labels by image: from a CSV with `Path` and the 14 findings, or from JSON lines such as impression_fixed.json.

    Raises SourceError for a value that is none of 1, 0, -1 and blank.
    """
    names, rows = _json_labels(file) if file.suffix.lower() in (".json", ".jsonl") else _csv_labels(file)
    labels = Labels(names)
    found = LabelsByImage()
    for number, (path, *cells) in enumerate(rows, start=1):
        key = image_key(path)
        try:
            if key is not None:
                found.add(key, labels.read(cells))
        except ValueError as error:
            raise SourceError(f"{file}: {error} (label row {number}, {path}): get the table again") from error
    if not len(found):
        raise SourceError(f"{file} labels no image (patient00001/study1/...): give a table of labels of CheXpert")
    return found


def _csv_labels(file: Path) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
    columns = finding_columns(file, require=())
    path = "Path" if "Path" in table_columns(file) else "path_to_image"
    return tuple(columns), text_rows(file, [path, *columns.values()])


def _json_labels(file: Path) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
    return CHEXPERT, _json_rows(file)


def _json_rows(file: Path) -> Iterator[tuple[str, ...]]:
    try:
        with file.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _json_row(file, number, line)
    except OSError as error:
        raise SourceError(f"{file} cannot be read ({error.strerror}): give a file of labels") from error


def _json_row(file: Path, number: int, line: bytes) -> tuple[str, ...]:
    try:
        record = json.loads(line)
        labels = {canonical(name): value for name, value in record.items() if name != "path_to_image"}
        cells = ("" if (value := labels.get(name)) is None else str(value) for name in CHEXPERT)
        return (str(record["path_to_image"]), *cells)
    except (ValueError, AttributeError, KeyError, TypeError, PromptError, RecursionError) as error:
        raise SourceError(f"{file} line {number} is no record of labels ({error}): get the file again") from error
