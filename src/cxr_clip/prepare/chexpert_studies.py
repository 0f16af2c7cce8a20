"""From rows of images to studies: grouping, splits by patient, what leaves the training set, counts."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from cxr_clip.data.provenance import provenance_of
from cxr_clip.errors import SourceError
from cxr_clip.prepare.chexpert_images import FoundImages, ImageKey, image_key
from cxr_clip.prepare.chexpert_rows import Row
from cxr_clip.prepare.chexpert_table import Table
from cxr_clip.prepare.records import RawSource, Rejection, absent_line, nonzero
from cxr_clip.prepare.splits import fraction
from cxr_clip.prepare.table_file import table_columns, text_rows
from cxr_clip.study import Certainty, ImageFile, Split, Study

_PATHS = ("Path", "path_to_image")


@dataclass(frozen=True)
class Excluded:
    """The patients of a test set that leave the training set, and what the test set is called."""

    name: str
    patients: frozenset[str]


@dataclass(frozen=True)
class Division:
    """Which patient belongs where: those of the valid table, those that leave, the share that validates.

    Without `validation` the whole training table trains and valid.csv validates, as in the paper. With it, that share
    of the training patients validates (by a hash of the patient) and valid.csv is the test split.
    """

    held_out: frozenset[str]
    excluded: Excluded | None = None
    validation: float | None = None

    def __post_init__(self) -> None:
        if self.validation is not None and not 0 < self.validation < 1:
            raise SourceError(f"validation is {self.validation}; it must be a share between 0 and 1, such as 0.02")

    def split(self, patient: str, *, held_out: bool) -> Split:
        """The split of a study from the training or the valid table. Raises ValueError if it must have none."""
        if held_out:
            return Split.VALIDATE if self.validation is None else Split.TEST
        if patient in self.held_out:
            raise ValueError("its patient is in the valid part too")
        if self.leaves(patient):
            raise ValueError(f"its patient is in {self.excluded_name}, whose patients leave the training set")
        validates = self.validation is not None and fraction(f"chexpert {patient}") < self.validation
        return Split.VALIDATE if validates else Split.TRAIN

    def leaves(self, patient: str) -> bool:
        """Whether a training patient is one of the excluded."""
        return self.excluded is not None and patient in self.excluded.patients

    @property
    def excluded_name(self) -> str:
        """The test set whose patients leave."""
        return "" if self.excluded is None else self.excluded.name

    def require_overlap(self, patients: Collection[str]) -> None:
        """Raise SourceError for a test set that has none of the training patients."""
        if self.excluded is not None and self.excluded.patients.isdisjoint(patients):
            raise SourceError(
                f"{self.excluded_name} has none of the {len(patients):,} training patients, so that nothing would "
                "leave the training set: give a test set of this data set"
            )


@dataclass(frozen=True)
class Part:
    """A table of one part of the data set, whose rows train or are held out."""

    table: Table
    held_out: bool


@dataclass(frozen=True)
class Drafts:
    """The drafts in the order of the tables, made anew at every pass, so that one study at a time is in memory.

    `nothing` is the reason for leaving out a study without text and labels, `silent` what is said of one that has
    labels and no text; None where texts are not to be expected.
    """

    source: str
    parts: tuple[Part, ...]
    images: FoundImages
    division: Division
    absent: tuple[str, ...]
    nothing: str = "none of the 14 findings is labelled"
    silent: str | None = None

    def __iter__(self) -> Iterator[Study | Rejection]:
        yield from absent_line(len(self.absent), sum(len(part.table) for part in self.parts))
        for part in self.parts:
            yield from part.table.rejections
            for rows in part.table.rows.by_study():
                yield from self._of_study(rows, held_out=part.held_out)
        for key, path in self.images.items_but(self._listed()):
            yield Rejection("image", path, key.study_id, "no table lists this image")

    def _listed(self) -> Iterator[ImageKey]:
        for part in self.parts:
            yield from (row.key for row in part.table.rows)
            yield from filter(None, (image_key(rejection.path or "") for rejection in part.table.rejections))

    def _of_study(self, rows: Sequence[Row], *, held_out: bool) -> Iterator[Study | Rejection]:
        images = present(rows, self.images)
        if not images:
            return
        draft = self._draft(rows, images, held_out=held_out)
        yield draft
        if self.silent is not None and isinstance(draft, Study) and not draft.sections:
            yield Rejection("report", images[0].path, draft.id, self.silent)

    def _draft(self, rows: Sequence[Row], images: tuple[ImageFile, ...], *, held_out: bool) -> Study | Rejection:
        first = rows[0]
        study = first.key.study_id
        try:
            split = self.division.split(first.key.patient, held_out=held_out)
            findings = agreed_findings(rows)
        except ValueError as error:
            return Rejection("study", images[0].path, study, str(error))
        sections = next((row.sections for row in rows if row.sections), {})
        if not findings and not sections:
            return Rejection("study", images[0].path, study, self.nothing)
        return Study(
            id=study,
            patient=first.key.patient,
            source=self.source,
            split=split,
            images=images,
            sections=sections,
            findings=findings,
            age=first.age,
            sex=first.sex,
        )


def find_absent(raw: Path, parts: Sequence[Part], images: FoundImages) -> tuple[str, ...]:
    """The listed images that are not there. Raises SourceError where none is."""
    absent = tuple(row.path for part in parts for row in part.table.rows if row.key not in images)
    listed = sum(len(part.table.rows) for part in parts)
    if len(absent) == listed:
        raise SourceError(f"{raw} has none of the {listed:,} images that its tables list: unpack the images there")
    return absent


def present(rows: Sequence[Row], images: FoundImages) -> tuple[ImageFile, ...]:
    """The images of a study that are there, in the order of their names."""
    here = sorted((row for row in rows if row.key in images), key=lambda row: row.key.image)
    return tuple(ImageFile(images[row.key], row.view) for row in here)


def agreed_findings(rows: Sequence[Row]) -> Mapping[str, Certainty]:
    """The findings of a study. Raises ValueError where its rows do not agree, as labels come from one report."""
    first = rows[0].findings
    names = {name for row in rows for name in row.findings}
    torn = sorted(name for name in names if any(row.findings.get(name) != first.get(name) for row in rows))
    if torn:
        raise ValueError(f"the labels of its images contradict each other ({', '.join(torn)})")
    return first


def read_excluded(file: Path) -> Excluded:
    """The patients of a test set: from its CSV (`Path` or `path_to_image`), or from its prepared folder.

    Raises SourceError where no patient can be read, or where the patients of a prepared folder are hashed.
    """
    manifest = file / "manifest.parquet" if file.is_dir() else file
    columns = table_columns(manifest)
    if "patient" in columns:
        _require_plain(manifest)
        patients = set(pq.read_table(manifest, columns=["patient"])["patient"].to_pylist())
    else:
        path = next((name for name in _PATHS if name in columns), None)
        if path is None:
            raise SourceError(f"{manifest} has none of the columns {', '.join(_PATHS)}: give the table of a test set")
        keys = (image_key(value) for (value,) in text_rows(manifest, [path]))
        patients = {key.patient for key in keys if key is not None}
    if not patients:
        raise SourceError(f"{manifest} names no patient (patient00001/study1/...): give the table of a test set")
    return Excluded(file.name, frozenset(patients))


def _require_plain(manifest: Path) -> None:
    """Raise SourceError where ids are hashed: no patient of the training set would be found among them."""
    if manifest.suffix == ".parquet" and provenance_of(pq.read_schema(manifest)).hashed_ids is not None:
        raise SourceError(
            f"the ids in {manifest} are hashed, so that its patients cannot be found in the training set: "
            "give the CSV of the test set, or prepare it without --hash-ids"
        )


def count_remarks(table: str, published: tuple[str, str], rows: Iterable[Row]) -> dict[str, int]:
    """How many images and patients rows have, beside the two published counts."""
    images = 0
    patients: set[str] = set()
    for row in rows:
        images += 1
        patients.add(row.key.patient)
    known_images, known_patients = published
    return {
        f"images {table} (published: {known_images})": images,
        f"patients {table} (published: {known_patients})": len(patients),
    }


def as_source(raw: Path, drafts: Drafts, remarks: Mapping[str, int]) -> RawSource:
    """A source of these drafts; what is counted and is not there is no remark."""
    return RawSource(
        name=drafts.source,
        raw=raw,
        drafts=drafts,
        total=sum(1 for _ in drafts),
        absent=drafts.absent,
        remarks=nonzero(remarks),
    )
