"""From a row of a user's table to what it says of a study, or to why it cannot be used."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from cxr_clip.data.findings import canonical
from cxr_clip.data.reports import REPORT_SECTIONS, sections_from_labelled, split_sections
from cxr_clip.data.texts import BACK_TRANSLATION
from cxr_clip.errors import PromptError
from cxr_clip.prepare.label_values import certainty_of, grade_of, is_blank, sex_of, years_of
from cxr_clip.prepare.table_columns import ColumnMap
from cxr_clip.prepare.table_file import Cell
from cxr_clip.prepare.table_lists import looks_like_list, parse_list
from cxr_clip.study import Certainty, View

Value = TypeVar("Value")
_VIEWS = {
    **dict.fromkeys(("pa", "postero-anterior", "posteroanterior"), View.PA),
    **dict.fromkeys(("ap", "antero-posterior", "anteroposterior"), View.AP),
    "frontal": View.FRONTAL,
    **dict.fromkeys(("lateral", "ll", "rl", "lat", "left lateral", "right lateral"), View.LATERAL),
}
_KINDS = (Certainty.POSITIVE, Certainty.NEGATIVE, Certainty.UNCERTAIN)


@dataclass(frozen=True)
class Record:
    """What a row says; `id` and `patient` are None where the table has no such column, `split` is as written."""

    id: str | None
    patient: str | None
    split: str | None
    images: Mapping[str, View]
    sections: Mapping[str, str]
    findings: Mapping[str, Certainty]
    age: float | None
    sex: str | None
    grades: Mapping[str, int]

    @property
    def says_something(self) -> bool:
        """Whether there is a text or a label to learn from."""
        return bool(self.findings) or any(self.sections.get(name) for name in REPORT_SECTIONS)


def read_record(row: Mapping[str, Cell], columns: ColumnMap, root: Path) -> Record:
    """Read a row; image paths become relative to `root`. Raises ValueError with the reason if it cannot be used."""
    grades = _read_cells(row, columns.grades, grade_of)
    return Record(
        id=_named(row, columns.id, "id"),
        patient=_named(row, columns.patient, "patient"),
        split=_named(row, columns.split, "split"),
        images=_images(row, columns, root),
        sections=_sections(row, columns),
        findings=_findings(row, columns, grades),
        age=years_of(_text(row, columns.age)),
        sex=sex_of(_text(row, columns.sex)),
        grades=grades,
    )


def _text(row: Mapping[str, Cell], column: str | None) -> str:
    """A plain value; nothing where the table has no such column."""
    value = "" if column is None else row[column]
    if not isinstance(value, str):
        raise ValueError(f"a list in column {column}")
    return "" if is_blank(value) else value


def _texts(row: Mapping[str, Cell], column: str | None) -> list[str]:
    """The values of a cell that may hold a list, as such or as text; blank ones stay, so that places are kept."""
    value = "" if column is None else row[column]
    if isinstance(value, str):
        value = _parsed(value, column) if looks_like_list(value) else [value] if not is_blank(value) else []
    texts = [item.strip() for item in value if isinstance(item, str)]
    if len(texts) != len(value):
        raise ValueError(f"a list within a list in column {column}")
    return ["" if is_blank(text) else text for text in texts]


def _parsed(text: str, column: str | None) -> "list[Cell]":
    try:
        return parse_list(text)
    except ValueError as error:
        raise ValueError(f"column {column} holds {error}") from None


def _named(row: Mapping[str, Cell], column: str | None, what: str) -> str | None:
    if column is None:
        return None
    value = _text(row, column)
    if not value:
        raise ValueError(f"no {what} in column {column}")
    return value


def _images(row: Mapping[str, Cell], columns: ColumnMap, root: Path) -> dict[str, View]:
    """The images with their views, each once; a column that tells the view goes before one that does not."""
    found: dict[str, View] = {}
    for column, view in columns.images.items():
        for path in filter(None, _texts(row, column)):
            inside = _inside(path, columns.prefix, root)
            if found.get(inside, View.UNKNOWN) is View.UNKNOWN:
                found[inside] = view
    if not found:
        raise ValueError("no image")
    told = [_VIEWS.get(text.lower(), View.UNKNOWN) for text in _texts(row, columns.view)]
    if len(told) == len(found):
        pairs = zip(found.items(), told, strict=True)
        return {path: other if view is View.UNKNOWN else view for (path, view), other in pairs}
    return found


def _inside(text: str, prefix: str, root: Path) -> str:
    """An image path relative to the raw folder; nothing outside of that folder is ever read."""
    text = text.replace("\\", "/")
    inside = prefix and text.startswith(prefix)
    path = PurePosixPath(text.removeprefix(prefix).lstrip("/") if inside else text)
    if path.is_absolute():
        for folder in (root, root.absolute(), root.resolve()):
            if path.is_relative_to(folder.as_posix()):
                path = path.relative_to(folder.as_posix())
                break
        else:
            raise ValueError("an image path outside of the raw folder; give what it begins with as `prefix`")
    if ".." in path.parts or "\0" in text:
        raise ValueError("an image path that leaves the raw folder")
    return path.as_posix()


def _sections(row: Mapping[str, Cell], columns: ColumnMap) -> dict[str, str]:
    """The sections, cleaned: named ones before those of a whole report and of a list of texts."""
    named = sections_from_labelled((name, _text(row, column)) for name, column in columns.sections.items())
    whole = split_sections(text) if (text := _text(row, columns.report)) else {}
    return {**_listed_sections(row, columns), **whole, **named}


def _listed_sections(row: Mapping[str, Cell], columns: ColumnMap) -> dict[str, str]:
    """Findings and impression from a list of one or two texts, and their back-translations."""
    texts = _texts(row, columns.texts)
    again = _texts(row, columns.back_translations)
    if len(texts) > len(REPORT_SECTIONS):
        raise ValueError(f"{len(texts)} texts in column {columns.texts}; findings and impression are two")
    sections = sections_from_labelled(zip(REPORT_SECTIONS, texts, strict=False))
    if len(again) == len(texts):
        for name, text in zip(REPORT_SECTIONS, again, strict=False):
            translated = sections_from_labelled([(name, text)]).get(name)
            if translated and name in sections:
                sections[name + BACK_TRANSLATION] = translated
    return sections


def _read_cells(
    row: Mapping[str, Cell], columns: Mapping[str, str], read: Callable[[str], Value | None]
) -> dict[str, Value]:
    """What the cell of each finding says; one that says nothing is left out."""
    values: dict[str, Value] = {}
    for name, column in columns.items():
        try:
            value = read(_text(row, column))
        except ValueError as error:
            raise ValueError(f"column {column}: {error}") from None
        if value is not None:
            values[name] = value
    return values


def _findings(row: Mapping[str, Cell], columns: ColumnMap, grades: Mapping[str, int]) -> dict[str, Certainty]:
    """What columns of labels say; a grade says too whether a finding is there, where no label does."""
    graded = {name: Certainty.POSITIVE if grade else Certainty.NEGATIVE for name, grade in grades.items()}
    return {**graded, **_listed_findings(row, columns), **_read_cells(row, columns.findings, certainty_of)}


def _listed_findings(row: Mapping[str, Cell], columns: ColumnMap) -> dict[str, Certainty]:
    """Findings from [[positive], [negative], [uncertain]], or from a plain list of the positive ones."""
    value = "" if columns.labels is None else row[columns.labels]
    if isinstance(value, str):
        value = _parsed(value, columns.labels) if not is_blank(value) else []
    groups = value if any(isinstance(item, list) for item in value) else [value]
    if len(groups) > len(_KINDS):
        raise ValueError(f"{len(groups)} lists in column {columns.labels}; positive, negative, uncertain are three")
    findings: dict[str, Certainty] = {}
    for kind, group in zip(_KINDS, groups, strict=False):
        for name in group if isinstance(group, list) else [group]:
            finding = _canonical(name)
            if findings.setdefault(finding, kind) is not kind:
                raise ValueError(f"{finding} is both {findings[finding]} and {kind}")
    return findings


def _canonical(name: Cell) -> str:
    if not isinstance(name, str):
        raise ValueError("a list where a finding should be")
    try:
        return canonical(name)
    except PromptError as error:
        raise ValueError(str(error)) from None
