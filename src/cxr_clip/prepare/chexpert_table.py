"""Read the tables of CheXpert: one row an image, with 14 labels, age, sex and view."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.data.findings import TABLE, canonical
from cxr_clip.errors import PromptError, SourceError
from cxr_clip.prepare.chexpert_images import ImageKey, Labels, image_key, view_of
from cxr_clip.prepare.chexpert_rows import Row, Rows
from cxr_clip.prepare.label_values import sex_of, years_of
from cxr_clip.prepare.records import Rejection
from cxr_clip.prepare.table_file import table_columns, text_rows
from cxr_clip.study import View

CHEXPERT: tuple[str, ...] = tuple(finding.name for finding in TABLE if "chexpert" in finding.sets)
_COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")
NO_KEY = "the path does not end in patient, study and view (patient00001/study1/view1_frontal.jpg)"


@dataclass(frozen=True)
class Table:
    """The rows of a table that can be used, and why others cannot."""

    rows: Rows
    rejections: tuple[Rejection, ...]

    def __len__(self) -> int:
        return len(self.rows) + len(self.rejections)


def read_rows(file: Path) -> Table:
    """The rows of train.csv or valid.csv.

    An age of 0, which CheXpert has for a few, is unknown. Raises SourceError if a column is missing.
    """
    columns = finding_columns(file, require=CHEXPERT)
    labels = Labels(tuple(columns))
    seen: set[ImageKey] = set()
    rows = Rows(tuple(columns))
    rejections: list[Rejection] = []
    for path, sex, age, plane, direction, *cells in text_rows(file, [*_COLUMNS, *columns.values()]):
        key = image_key(path)
        if key is None:
            rejections.append(Rejection("image", path, None, NO_KEY))
        elif key in seen:
            rejections.append(Rejection("image", path, key.study_id, f"{file.name} lists this image twice"))
        else:
            seen.add(key)
            row = _row(path, key, view_of(plane, direction), labels, cells, age=age, sex=sex)
            rows.append(row) if isinstance(row, Row) else rejections.append(row)
    return Table(rows, tuple(rejections))


def _row(
    path: str, key: ImageKey, view: View, labels: Labels, cells: Sequence[str], *, age: str, sex: str
) -> Row | Rejection:
    try:
        findings = labels.read(cells)
    except ValueError as error:
        return Rejection("image", path, key.study_id, str(error))
    return Row(path, key, view, findings, years_of(age) or None, sex_of(sex))


def finding_columns(file: Path, *, require: Sequence[str]) -> dict[str, str]:
    """The columns of the 14 findings by canonical name; raises SourceError if a required one is missing."""
    columns: dict[str, str] = {}
    for column in table_columns(file):
        try:
            name = canonical(column)
        except PromptError:
            continue
        if name in CHEXPERT and columns.setdefault(name, column) != column:
            raise SourceError(f"{file} has two columns of {name} ({columns[name]}, {column}): keep one")
    missing = [name for name in require if name not in columns]
    if missing:
        raise SourceError(f"{file} has no column {', '.join(missing)}: give the table of the data set as it is")
    return columns
