"""Which column of a user's table is what: given in a small YAML file, or told by the names of the columns."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from cxr_clip.data.findings import canonical
from cxr_clip.errors import PromptError, SourceError
from cxr_clip.study import View

_ALIKE = 0.6
# What the name of a column of grades has behind the finding.
GRADE = " grade"


class ColumnMap(BaseModel):
    """What the columns of a table are; None where the table has nothing of the kind.

    `images` are one or several columns (a cell may hold a list), by view where the column tells it. `view` holds a
    view, or a list as long as that of the images. `sections` maps section names to columns, `report` holds whole
    reports. `findings` maps findings to columns of 1, 0, -1 or blank, `grades` to columns of grades from 0 on. `prefix`
    is what image paths begin with and the raw folder lacks. `name` is the source's name in the manifest.

    `texts` (findings and impression), `back_translations` of them and `labels` (positive, negative and uncertain
    names) are lists in one cell, as the published code of the method writes them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "table"
    id: str | None = None
    patient: str | None = None
    split: str | None = None
    images: dict[str, View] = Field(min_length=1)
    view: str | None = None
    sections: dict[str, str] = {}
    report: str | None = None
    findings: dict[str, str] = {}
    grades: dict[str, str] = {}
    age: str | None = None
    sex: str | None = None
    prefix: str = ""
    texts: str | None = None
    back_translations: str | None = None
    labels: str | None = None

    @field_validator("images", mode="before")
    @classmethod
    def _images(cls, value: Any) -> Any:
        """Columns with the view of each, from a column, a list of columns, or columns by view."""
        if isinstance(value, str):
            return {value: View.UNKNOWN}
        if isinstance(value, list):
            return dict.fromkeys(value, View.UNKNOWN)
        if isinstance(value, Mapping):
            return {column: view for view, columns in value.items() for column in _listed(columns)}
        return value

    @field_validator("findings", "grades", mode="before")
    @classmethod
    def _findings(cls, value: Any) -> Any:
        """Columns by canonical name, from a list of columns or from columns by finding."""
        pairs = value.items() if isinstance(value, Mapping) else ((name, name) for name in _listed(value))
        columns: dict[str, Any] = {}
        for name, column in pairs:
            try:
                finding = canonical(str(name))
            except PromptError as error:
                raise ValueError(str(error)) from error
            if columns.setdefault(finding, column) != column:
                raise ValueError(f"{columns[finding]} and {column} are both {finding}; name one of them")
        return columns

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read, each once."""
        single = (
            self.id, self.patient, self.split, self.view, self.report, self.age, self.sex,
            self.texts, self.back_translations, self.labels,
        )  # fmt: skip
        named = (
            *self.images,
            *(name for name in single if name),
            *self.sections.values(),
            *self.findings.values(),
            *self.grades.values(),
        )
        return tuple(dict.fromkeys(named))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def read_column_map(file: Path) -> ColumnMap:
    """Read a column map from YAML (or JSON, which is YAML). Raises SourceError that names what is wrong in it."""
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SourceError(f"{file} cannot be read as YAML ({error})") from error
    if not isinstance(content, dict):
        raise SourceError(f"{file} is no column map: write lines such as `images: path` and `patient: subject_id`")
    return _validated(file, content)


def _validated(file: Path, content: Mapping[Any, Any]) -> ColumnMap:
    try:
        return ColumnMap.model_validate({str(key): value for key, value in content.items()})
    except ValidationError as error:
        # A misspelt name is told before the one that is missing because of it.
        first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
        where = ".".join(map(str, first["loc"]))
        told = "there is no such name" if first["type"] == "extra_forbidden" else first["msg"]
        raise SourceError(f"{file}: {where}: {told}{_hint(where)}") from error


def _hint(name: str) -> str:
    near = get_close_matches(name, ColumnMap.model_fields, n=1, cutoff=_ALIKE)
    return f"; did you mean {near[0]!r}?" if near and near[0] != name else ""


def guess_columns(file: Path, names: Collection[str]) -> ColumnMap:
    """The map of a table whose columns have the usual names. Raises SourceError where no column holds images.

    These are the names of a manifest (id, patient, split, image, view, findings, impression, report, age, sex), those
    of findings, alone or with " grade" behind, and those of the published code (image, AP, PA, Lateral, text,
    text_augment, text_label).
    """
    image = next((name for name in ("image", "images") if name in names), None)
    if image is None:
        raise SourceError(
            f"{file} has no column image or images (its columns are {', '.join(names)}): "
            "name its columns in a YAML file, with at least `images: COLUMN`"
        )
    views = {"ap": "AP", "pa": "PA", "lateral": "Lateral"}
    by_view = {view: [name] for view, name in views.items() if name in names}
    single = ("id", "patient", "split", "report", "age", "sex", *(() if by_view else ("view",)))
    lists = {"texts": "text", "back_translations": "text_augment", "labels": "text_label"}
    return _validated(
        file,
        {
            **{name: name for name in single if name in names},
            **{field: name for field, name in lists.items() if name in names},
            "images": {**by_view, "unknown": [image]},
            "sections": {name: name for name in ("findings", "impression") if name in names},
            "findings": [name for name in names if _is_finding(name)],
            "grades": {
                finding: name for name in names if _is_finding(finding := name.removesuffix(GRADE)) and finding != name
            },
        },
    )


def _is_finding(name: str) -> bool:
    try:
        return bool(canonical(name))
    except PromptError:
        return False


def require_columns(file: Path, columns: ColumnMap, names: Collection[str]) -> None:
    """Raise SourceError for columns that the table lacks, with the nearest that it has."""
    for column in columns.columns:
        if column not in names:
            near = get_close_matches(column, names, n=1, cutoff=_ALIKE)
            hint = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(names)}"
            raise SourceError(f"{file} has no column {column!r}: {hint}")
