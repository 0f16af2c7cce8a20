"""ChestX-ray14 (NIH): 112,120 PNG images with 14 labels, official lists, some boxes; partial downloads are welcome.

A study is one image (a patient's follow-up), its id the file's stem, "00000001_000". Validation studies are those of
20 % of the patients in train_val_list.txt, chosen by a hash of the patient's number. X. Wang et al., CVPR 2017,
https://nihcc.app.box.com/v/ChestXray-NIHCC
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.data.findings import CHESTXRAY14, NO_FINDING, canonical
from cxr_clip.errors import PromptError, SourceError
from cxr_clip.prepare.files import RawFiles, list_files, read_columns, read_csv, read_lines
from cxr_clip.prepare.label_values import sex_of, years_of
from cxr_clip.prepare.listed_images import DOUBLES, images_by_key, stem_of
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
from cxr_clip.prepare.splits import fraction
from cxr_clip.study import Box, Certainty, ImageFile, Split, Study, View

NAME = "chestxray14"
VALIDATION = 0.2
_TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
_SUFFIXES = (".png", ".jpg", ".jpeg")
_COLUMNS = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
# Boxes are in pixels of the images as distributed, which are all 1024 x 1024.
_BOX_FRAME = 1024.0
_NAMES = (NO_FINDING, *CHESTXRAY14)


@dataclass(frozen=True)
class _Entry:
    """A row of Data_Entry, as text."""

    image: str
    labels: str
    patient: str
    age: str
    sex: str
    view: str


@dataclass(frozen=True)
class _Tables:
    """What is known of images by their stem: split lists, boxes, files; and the patients of the test list."""

    train: frozenset[str]
    test: frozenset[str]
    tested: frozenset[str]
    boxes: Mapping[str, tuple[Box, ...]]
    files: Mapping[str, str]


def prepare_chestxray14(
    raw: Path, out: Path, options: PrepareOptions, *, progress: Progress | None = None
) -> PrepareSummary:
    """Prepare a ChestX-ray14 folder; see `read_chestxray14`. Raises SourceError if the layout is another."""
    return run_pipeline(read_chestxray14(raw), out, options, progress=progress)


def read_chestxray14(raw: Path) -> RawSource:
    """Read the tables of a ChestX-ray14 folder and find the listed images that are there; none is decoded.

    Listed images that are absent are counted in the summary, named in absent.txt and noted in rejected.jsonl with one
    line. Every label of the 14 that an image does not have is an explicit negative. Ages above 120 are unknown.
    Raises SourceError if a list is missing or no listed image is there.
    """
    files = list_files(raw)
    entries = [_Entry(*row) for row in read_columns(files.require(*_TABLES, what="the labels of all images"), _COLUMNS)]
    images, doubles = images_by_key(files, _SUFFIXES, stem_of)
    test = _read_list(files.require("test_list.txt", what="the official test images"))
    tables = _Tables(
        train=_read_list(files.require("train_val_list.txt", what="the official training images")),
        test=test,
        tested=frozenset(entry.patient for entry in entries if stem_of(entry.image) in test),
        boxes=_read_boxes(files.named("BBox_List_2017.csv")),
        files=images,
    )
    return _source(files, entries, tables, doubles=doubles)


def _source(files: RawFiles, entries: list[_Entry], tables: _Tables, *, doubles: int) -> RawSource:
    absent = tuple(entry.image for entry in entries if stem_of(entry.image) not in tables.files)
    present = [entry for entry in entries if stem_of(entry.image) in tables.files]
    if not present:
        raise SourceError(
            f"{files.root} has none of the {len(entries):,} listed images in it or below it (looked for "
            "<Image Index> as .png, .jpg or .jpeg): unpack images_001.tar.gz and the others there"
        )
    drafts = list(_drafts(present, tables))
    listed = {stem_of(entry.image) for entry in entries}
    orphans = (path for stem, path in tables.files.items() if stem not in listed)
    drafts.extend(Rejection("image", path, None, "the table of labels does not list this image") for path in orphans)
    drafts = [*absent_line(len(absent), len(entries)), *drafts]
    odd_ages = sum(years_of(entry.age) is None for entry in present)
    return RawSource(
        name=NAME,
        raw=files.root,
        drafts=drafts,
        total=len(drafts),
        absent=absent,
        remarks=nonzero({"ages that are missing or above 120, set to unknown": odd_ages, DOUBLES: doubles}),
    )


def _drafts(entries: list[_Entry], tables: _Tables) -> Iterator[Study | Rejection]:
    seen: set[str] = set()
    for entry in entries:
        stem = stem_of(entry.image)
        if stem in seen:
            yield Rejection("study", tables.files[stem], stem, "the table of labels lists this image twice")
            continue
        seen.add(stem)
        yield _draft(entry, stem, tables)


def _draft(entry: _Entry, stem: str, tables: _Tables) -> Study | Rejection:
    split = _split(entry.patient, stem, tables)
    if split is None:
        reason = "neither train_val_list.txt nor test_list.txt names this image"
        return Rejection("study", tables.files[stem], stem, reason)
    if split is not Split.TEST and entry.patient in tables.tested:
        reason = "test_list.txt names another image of its patient"
        return Rejection("study", tables.files[stem], stem, reason)
    try:
        findings = _findings(entry.labels)
    except ValueError as error:
        return Rejection("study", tables.files[stem], stem, str(error))
    view = {"PA": View.PA, "AP": View.AP}.get(entry.view.upper(), View.UNKNOWN)
    return Study(
        id=stem,
        patient=entry.patient,
        source=NAME,
        split=split,
        images=(ImageFile(tables.files[stem], view),),
        findings=findings,
        boxes=tables.boxes.get(stem, ()),
        age=years_of(entry.age),
        sex=sex_of(entry.sex),
    )


def _split(patient: str, stem: str, tables: _Tables) -> Split | None:
    if stem in tables.test:
        return Split.TEST
    if stem not in tables.train:
        return None
    return Split.VALIDATE if fraction(f"chestxray14 {patient}") < VALIDATION else Split.TRAIN


def _findings(labels: str) -> dict[str, Certainty]:
    """The certainty of all 14 findings and of No Finding.

    Raises ValueError for no label at all, for one that is not among the 14, and for "No Finding" beside another: none
    of these tells what the image does not show.
    """
    positive = {_finding(label) for label in labels.split("|") if label}
    if not positive:
        raise ValueError("the table of labels has no label for this image, not even No Finding")
    if NO_FINDING in positive and len(positive) > 1:
        raise ValueError(f"the labels {labels!r} contradict each other")
    return {name: Certainty.POSITIVE if name in positive else Certainty.NEGATIVE for name in _NAMES}


def _finding(label: str) -> str:
    try:
        name = canonical(label)
    except PromptError:
        name = None
    if name not in _NAMES:
        raise ValueError(f"{label!r} is none of the 14 labels of the data set")
    return name


def _read_list(file: Path) -> frozenset[str]:
    return frozenset(map(stem_of, read_lines(file)))


def _read_boxes(file: Path | None) -> dict[str, tuple[Box, ...]]:
    """Boxes by stem; the columns are image, finding, left, top, width, height, whatever the broken header says."""
    if file is None:
        return {}
    boxes: defaultdict[str, list[Box]] = defaultdict(list)
    for line, row in enumerate(read_csv(file)[1], start=2):
        try:
            left, top, width, height = (float(value) / _BOX_FRAME for value in row[2:6])
            box = Box(canonical(row[1]), 0, left, top, min(left + width, 1.0), min(top + height, 1.0))
        except (ValueError, IndexError, PromptError) as error:
            raise SourceError(f"{file} line {line} is no box ({error}): download the file again") from error
        boxes[stem_of(row[0])].append(box)
    return {stem: tuple(found) for stem, found in boxes.items()}
