"""A user's own data: one table (CSV or Parquet), a folder of images, and what the columns are.

A row is a study, or one image of a study where several rows have the same id. The format of the method's published code
(lists written as text) is known by its column names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cxr_clip.errors import SourceError
from cxr_clip.prepare.files import RawFiles, list_files
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.records import (
    PrepareOptions,
    PrepareSummary,
    Progress,
    RawSource,
    Rejection,
    absent_line,
    nonzero,
)
from cxr_clip.prepare.splits import split_by_hash, split_named
from cxr_clip.prepare.table_columns import ColumnMap, guess_columns, read_column_map, require_columns
from cxr_clip.prepare.table_file import Cell, is_table, table_columns, table_rows
from cxr_clip.prepare.table_record import Record, read_record
from cxr_clip.study import ImageFile, Split, Study, View

NAME = "table"


def prepare_table(
    raw: Path,
    out: Path,
    options: PrepareOptions,
    *,
    table: Path | None = None,
    columns: Path | None = None,
    split: Split | None = None,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Prepare a table and its images; see `read_table`. Raises SourceError if the table cannot be read."""
    return run_pipeline(read_table(raw, table=table, columns=columns, split=split), out, options, progress=progress)


def read_table(
    raw: Path, *, table: Path | None = None, columns: Path | None = None, split: Split | None = None
) -> RawSource:
    """Read a table of studies whose images lie below `raw`; none is decoded.

    `table` is a CSV, CSV.GZ, TSV or Parquet file; without it the only one below `raw`. `columns` is a YAML file that
    says what the columns are (`ColumnMap`); without it the columns have the usual names. `split` puts all rows on one
    side; without it and without a column of splits a hash of the patient puts 80/10/10 % into train, validate, test.

    Raises SourceError if the table cannot be read, lacks a column, or lists no image that is there.
    """
    files = list_files(raw)
    table = table or _only_table(files)
    names = table_columns(table)
    known = guess_columns(table, names) if columns is None else read_column_map(columns)
    require_columns(table, known, names)
    gathered = _Gathered()
    for number, cells in enumerate(table_rows(table, known.columns), start=2):
        gathered.add(f"{table.name} row {number}", dict(zip(known.columns, cells, strict=True)), known, raw)
    return _source(files, table, known, gathered, split)


@dataclass
class _Gathered:
    """The rows of each study, and those that cannot be used."""

    studies: dict[str, list[Record]] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)

    def add(self, where: str, row: Mapping[str, Cell], columns: ColumnMap, raw: Path) -> None:
        """Read a row and put it to its study."""
        try:
            record = read_record(row, columns, raw)
        except ValueError as error:
            name = row.get(columns.id or "")
            self.rejections.append(Rejection("study", where, name if isinstance(name, str) else None, str(error)))
            return
        name = record.id or _name_of(next(iter(record.images)))
        self.studies.setdefault(name, []).append(record)


def _source(files: RawFiles, table: Path, columns: ColumnMap, gathered: _Gathered, split: Split | None) -> RawSource:
    here = set(files.paths)
    drafts: list[Study | Rejection] = list(gathered.rejections)
    absent: list[str] = []
    torn = {} if split is not None else _torn_patients(gathered.studies)
    for name, records in gathered.studies.items():
        absent.extend(path for record in records for path in record.images if path not in here)
        drafts.extend(_drafts(name, records, here, torn, columns, split))
    listed = sum(len(record.images) for records in gathered.studies.values() for record in records)
    if listed and listed == len(absent):
        raise SourceError(
            f"{files.root} has none of the {listed:,} images that {table} lists (the first is {absent[0]}): "
            "name the folder that image paths start from, or give what they begin with as `prefix`"
        )
    drafts = [*absent_line(len(absent), listed), *drafts]
    return RawSource(
        name=columns.name,
        raw=files.root,
        drafts=drafts,
        total=len(drafts),
        absent=tuple(dict.fromkeys(absent)),
        remarks=_remarks([draft for draft in drafts if isinstance(draft, Study)], columns, split),
    )


def _drafts(
    name: str,
    records: Sequence[Record],
    here: set[str],
    torn: Mapping[str, str],
    columns: ColumnMap,
    split: Split | None,
) -> Iterator[Study | Rejection]:
    """The study of some rows and what cannot be used of them."""
    first = records[0]
    images: dict[str, View] = {}
    for record in records:
        twice = [path for path in record.images if path in images]
        yield from (Rejection("image", path, name, "several rows of the study list this image") for path in twice)
        images |= {path: view for path, view in record.images.items() if path not in images}
    pictures = tuple(ImageFile(path, view) for path, view in images.items() if path in here)
    patient = first.patient or name
    reason = _why_not(records, torn.get(patient), split)
    if not pictures:
        return
    if reason is not None:
        yield Rejection("study", pictures[0].path, name, reason)
        return
    yield Study(
        id=name,
        patient=patient,
        source=columns.name,
        split=_split(first, patient, split),
        images=pictures,
        sections=first.sections,
        findings=first.findings,
        age=first.age,
        sex=first.sex,
        grades=first.grades,
    )


def _why_not(records: Sequence[Record], torn: str | None, split: Split | None) -> str | None:
    """Why rows make no study; None if they do."""
    first = records[0]
    if any(_told(record) != _told(first) for record in records):
        return "the rows of this id contradict each other: one row a study, or one row an image with the rest the same"
    if not first.says_something:
        return "neither findings or impression text nor labels"
    if split is None and first.split is not None and split_named(first.split) is None:
        return f"the split {first.split!r} is none of train, validate and test"
    return torn


def _told(record: Record) -> tuple[object, ...]:
    """All that a row says beside its images."""
    return (record.patient, record.split, record.sections, record.findings, record.grades, record.age, record.sex)


def _split(record: Record, patient: str, split: Split | None) -> Split:
    if split is not None:
        return split
    if record.split is None:
        return split_by_hash(f"table {patient}")
    named = split_named(record.split)
    assert named is not None, "rows of an unknown split make no study"
    return named


def _torn_patients(studies: Mapping[str, Sequence[Record]]) -> dict[str, str]:
    """Why the studies of patients in several splits are left out: scores on seen patients mean nothing."""
    sides: dict[str, set[str]] = {}
    for name, records in studies.items():
        side = split_named(records[0].split or "")
        if side is not None:
            sides.setdefault(records[0].patient or name, set()).add(side.value)
    return {
        patient: f"its patient is in several splits ({', '.join(sorted(found))})"
        for patient, found in sides.items()
        if len(found) > 1
    }


def _remarks(studies: Sequence[Study], columns: ColumnMap, split: Split | None) -> dict[str, int]:
    """Counts, and where patients and splits come from."""
    count = len(studies)
    remarks = {
        "studies with findings or impression text": sum(bool(study.sections) for study in studies),
        "studies with grades": sum(bool(study.grades) for study in studies),
        "studies with labels": sum(bool(study.findings) for study in studies),
        "studies without a column of patients, each taken as a patient of its own": count * (columns.patient is None),
        "studies split by a hash of the patient": count * (split is None and columns.split is None),
        "images whose view is unknown": sum(image.view is View.UNKNOWN for study in studies for image in study.images),
    }
    return nonzero(remarks)


def _only_table(files: RawFiles) -> Path:
    found = [path for path in files.paths if is_table(path)]
    if len(found) != 1:
        some = f"has {len(found)} ({', '.join(found[:4])}, ...)" if found else "has none"
        raise SourceError(f"give the table of studies (.csv, .csv.gz, .tsv or .parquet): {files.root} {some}")
    return files.root / found[0]


def _name_of(path: str) -> str:
    """A study's name where the table gives none: its first image's path without the suffix."""
    return PurePosixPath(path).with_suffix("").as_posix().replace("/", "_")
