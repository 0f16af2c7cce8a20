"""From rows of images to studies: grouping, splits by patient, what leaves the training set, counts."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from cxr_clip.data.provenance import provenance_of
from cxr_clip.errors import SourceError
from cxr_clip.prepare.chexpert_images import ImageKey, image_key
from cxr_clip.prepare.chexpert_table import Row
from cxr_clip.prepare.files import RawFiles
from cxr_clip.prepare.records import RawSource, Rejection
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


@dataclass
class Gathered:
    """What the rows come to: drafts in the order of the tables, and the listed images that are absent.

    `sections` are the texts by study; `nothing` is the reason for leaving out a study without text and labels.
    """

    source: str
    nothing: str = "none of the 14 findings is labelled"
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    drafts: list[Study | Rejection] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def require_images(self, raw: Path, listed: int) -> None:
        """Raise SourceError where every listed image is absent."""
        if len(self.absent) == listed:
            raise SourceError(f"{raw} has none of the {listed:,} images that its tables list: unpack the images there")


def by_study(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each study, in the order in which the studies come."""
    studies: dict[str, list[Row]] = {}
    for row in rows:
        studies.setdefault(row.key.study_id, []).append(row)
    return studies


def gather(
    gathered: Gathered, rows: Sequence[Row], files: Mapping[ImageKey, str], division: Division, *, held_out: bool
) -> None:
    """Add the drafts of the studies that these rows make, and the images that are absent."""
    for study_rows in by_study(rows).values():
        images = present(study_rows, files, gathered)
        if images:
            gathered.drafts.append(_draft(gathered, study_rows, images, division, held_out=held_out))


def _draft(
    gathered: Gathered, rows: Sequence[Row], images: tuple[ImageFile, ...], division: Division, *, held_out: bool
) -> Study | Rejection:
    first = rows[0]
    study = first.key.study_id
    try:
        split = division.split(first.key.patient, held_out=held_out)
        findings = agreed_findings(rows)
    except ValueError as error:
        return Rejection("study", images[0].path, study, str(error))
    sections = gathered.sections.get(study, {})
    if not findings and not sections:
        return Rejection("study", images[0].path, study, gathered.nothing)
    return Study(
        id=study,
        patient=first.key.patient,
        source=gathered.source,
        split=split,
        images=images,
        sections=sections,
        findings=findings,
        age=first.age,
        sex=first.sex,
    )


def present(rows: Sequence[Row], files: Mapping[ImageKey, str], gathered: Gathered) -> tuple[ImageFile, ...]:
    """The images of a study that are there, in the order of their names; the others are noted as absent."""
    gathered.absent.extend(row.path for row in rows if row.key not in files)
    here = sorted((row for row in rows if row.key in files), key=lambda row: row.key.image)
    return tuple(ImageFile(files[row.key], row.view) for row in here)


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


def count_remarks(table: str, published: str, rows: Iterable[Row]) -> dict[str, int]:
    """How many images and patients rows have, beside the published counts ("images, patients")."""
    images = 0
    patients: set[str] = set()
    for row in rows:
        images += 1
        patients.add(row.key.patient)
    known_images, known_patients = published.split("; ")
    return {
        f"images {table} (published: {known_images})": images,
        f"patients {table} (published: {known_patients})": len(patients),
    }


def not_listed(files: Mapping[ImageKey, str], listed: Iterable[Row | Rejection]) -> Iterator[Rejection]:
    """The images in the folder that no table lists."""
    keys = (row.key if isinstance(row, Row) else image_key(row.path or "") for row in listed)
    known = {key for key in keys if key is not None}
    reason = "no table lists this image"
    return (Rejection("image", path, key.study_id, reason) for key, path in files.items() if key not in known)


def as_source(files: RawFiles, gathered: Gathered, remarks: Mapping[str, int], *, listed: int) -> RawSource:
    """All that was gathered, with one line that says how many of the listed images are absent."""
    drafts = gathered.drafts
    if gathered.absent:
        count = len(gathered.absent)
        reason = f"{count:,} of {listed:,} listed images are not in the raw folder; absent.txt names them"
        drafts = [Rejection("image", "absent.txt", None, reason), *drafts]
    return RawSource(
        name=gathered.source,
        raw=files.root,
        drafts=drafts,
        total=len(drafts),
        absent=tuple(gathered.absent),
        remarks={text: count for text, count in remarks.items() if count},
    )
