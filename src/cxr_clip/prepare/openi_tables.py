"""The tables beside the Open-I reports: views, splits, labels. Which were used, and for how much, is always said."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from cxr_clip.errors import SourceError
from cxr_clip.prepare.files import RawFiles, by_key, read_columns, read_csv
from cxr_clip.prepare.openi_labels import read_labels
from cxr_clip.prepare.splits import read_splits
from cxr_clip.study import Certainty, Split, Study, View

Value = TypeVar("Value")

_VIEWS = {"frontal": View.FRONTAL, "lateral": View.LATERAL, "pa": View.PA, "ap": View.AP}
_IMAGE_ID = re.compile(r"^CXR(?P<uid>\d+)_(?:(?P=uid)_)?(?=IM-)", re.IGNORECASE)
_SUFFIXES = re.compile(r"(\.(png|jpe?g|dcm))+$", re.IGNORECASE)
_SHOWN = 2


@dataclass(frozen=True)
class Table(Generic[Value]):
    """A table that was found or given: its file, and what it says by image key or report number."""

    file: Path
    rows: Mapping[str, Value]

    def count(self, keys: Iterable[str]) -> int:
        """How many of these keys it names."""
        return sum(key in self.rows for key in keys)

    def require_match(self, keys: Collection[str], what: str) -> None:
        """Raise SourceError if it names none of what is there."""
        if keys and not self.count(keys):
            raise SourceError(
                f"{self.file} names none of the {len(keys):,} {what} of the raw folder (the table has "
                f"{_some(self.rows)}; the folder has {_some(keys)}): give the table of this folder, or take it away"
            )


@dataclass(frozen=True)
class OpeniTables:
    """What stands beside the reports; None where there is no such table. Report numbers are ids without "CXR"."""

    views: Table[View] | None
    splits: Table[Split] | None
    labels: Table[Mapping[str, Certainty]] | None

    def view(self, image: str) -> View:
        """The view of an image, whichever edition named it."""
        return View.UNKNOWN if self.views is None else self.views.rows.get(image_key(image), View.UNKNOWN)


def image_key(name: str) -> str:
    """One spelling for an image, whichever edition named it.

    "CXR1_1_IM-0001-3001" (XML), "CXR1_1_IM-0001-3001.png" and "1_IM-0001-3001.dcm.png" are the same image.
    """
    return _IMAGE_ID.sub(r"\g<uid>_", _SUFFIXES.sub("", name)).upper()


def read_tables(files: RawFiles, *, projections: Path | None, splits: Path | None, labels: Path | None) -> OpeniTables:
    """Read the tables that were given, else those of the usual names in the raw folder. Raises SourceError."""
    return OpeniTables(
        views=_table(projections or files.named("projections.csv", "indiana_projections.csv"), _read_views),
        splits=_table(splits or files.named("split.csv"), read_splits),
        labels=_table(labels or files.named("labels_nih14.csv"), read_labels),
    )


def require_matches(tables: OpeniTables, *, reports: Collection[str], images: Collection[str]) -> None:
    """Raise SourceError for a table that belongs to other reports (by id) or images (by key)."""
    numbers = [report.removeprefix("CXR") for report in reports]
    if tables.views is not None:
        tables.views.require_match(images, "images")
    if tables.splits is not None:
        tables.splits.require_match(numbers, "reports")
    if tables.labels is not None:
        tables.labels.require_match(numbers, "reports")


def table_remarks(tables: OpeniTables, studies: Sequence[Study]) -> dict[str, int]:
    """Where views, splits and findings come from, with counts, and what the tables do not name."""
    numbers = [study.id.removeprefix("CXR") for study in studies]
    images = [image for study in studies for image in study.images]
    remarks = {"images without a projection that is known": sum(image.view is View.UNKNOWN for image in images)}
    if tables.views is not None:
        named = tables.views.count(image_key(Path(image.path).name) for image in images)
        remarks[f"images whose projection {tables.views.file.name} names"] = named
    by = "a hash of the report" if tables.splits is None else tables.splits.file.name
    remarks[f"studies split by {by}"] = len(studies)
    if tables.labels is None:
        remarks["studies with findings from MeSH terms"] = sum(bool(study.findings) for study in studies)
    else:
        named = tables.labels.count(numbers)
        remarks[f"studies with findings from {tables.labels.file.name}"] = named
        remarks[f"reports that the table of labels ({tables.labels.file.name}) does not name"] = len(numbers) - named
    return remarks


def _table(file: Path | None, read: Callable[[Path], Mapping[str, Value]]) -> Table[Value] | None:
    return None if file is None else Table(file, read(file))


def _read_views(file: Path) -> dict[str, View]:
    """Views by image key; a projection of another name is unknown."""
    header, _ = read_csv(file)
    name = "image_id" if "image_id" in header else "filename"
    rows = read_columns(file, (name, "projection"))
    return by_key(file, ((image_key(image), _VIEWS.get(view.lower(), View.UNKNOWN)) for image, view in rows))


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:_SHOWN]) + ", ..."
