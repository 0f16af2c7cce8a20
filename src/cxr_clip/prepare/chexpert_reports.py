"""Read the tables of CheXpert Plus: the reports of CheXpert's studies, and labels made from them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.data.findings import canonical
from cxr_clip.data.reports import sections_from_labelled
from cxr_clip.errors import PromptError, SourceError
from cxr_clip.prepare.chexpert_images import ImageKey, Labels, image_key, view_of
from cxr_clip.prepare.chexpert_table import CHEXPERT, NO_KEY, Row, finding_columns
from cxr_clip.prepare.label_values import is_blank, sex_of, years_of
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
    """CheXpert Plus by rows of its two parts, with the sections of each study that has any."""

    train: list[Row]
    valid: list[Row]
    rejections: list[Rejection]
    sections: Mapping[str, Mapping[str, str]]


def read_plus(file: Path, findings: Mapping[ImageKey, Mapping[str, Certainty]]) -> PlusTable:
    """Read df_chexpert_plus_240401.csv; `findings` are the labels by image, for rows that have any.

    The first row of a study that has findings or impression gives its sections. Raises SourceError if a column is
    missing.
    """
    present = [column for column in _SECTIONS if column in (*_NEEDED, *table_columns(file))]
    table = PlusTable([], [], [], sections := {})
    parts = {"train": table.train, "valid": table.valid}
    seen: set[ImageKey] = set()
    for path, plane, direction, age, sex, split, *texts in text_rows(file, [*_COLUMNS, *present]):
        key = image_key(path)
        reason = _why_not(key, split, seen, file)
        if key is None or reason is not None:
            table.rejections.append(Rejection("image", path, None if key is None else key.study_id, reason or NO_KEY))
            continue
        seen.add(key)
        labels = findings.get(key, {})
        row = Row(path, key, view_of(plane, direction), labels, years_of(age) or None, sex_of(sex))
        parts[split.lower()].append(row)
        if key.study_id not in sections:
            told = _sections(dict(zip(present, texts, strict=True)))
            if told:
                sections[key.study_id] = told
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


def read_labels(file: Path) -> dict[ImageKey, Mapping[str, Certainty]]:
    """Labels by image: from a CSV with `Path` and the 14 findings, or from JSON lines such as impression_fixed.json.

    Raises SourceError for a value that is none of 1, 0, -1 and blank.
    """
    names, rows = _json_labels(file) if file.suffix.lower() in (".json", ".jsonl") else _csv_labels(file)
    labels = Labels(names)
    found: dict[ImageKey, Mapping[str, Certainty]] = {}
    for number, (path, *cells) in enumerate(rows, start=1):
        key = image_key(path)
        try:
            if key is not None:
                found[key] = labels.read(tuple(cells))
        except ValueError as error:
            raise SourceError(f"{file}: {error} (label row {number}, {path}): get the table again") from error
    if not found:
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
