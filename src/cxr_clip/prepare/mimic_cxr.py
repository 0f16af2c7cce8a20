"""MIMIC-CXR: chest X-rays of emergency patients with free-text reports, as JPG or DICOM, every view of a study kept.

A study's id and its patient's are the numbers of the tables ("50414267", "10000032"). Images come from MIMIC-CXR-JPG
2.0.0 or 2.1.0 or from the DICOM tree of MIMIC-CXR, reports from MIMIC-CXR, tables from MIMIC-CXR-JPG.
A. Johnson et al., Scientific Data 2019, https://physionet.org/content/mimic-cxr-jpg/
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from cxr_clip.data.reports import REPORT_SECTIONS, split_sections
from cxr_clip.errors import ReportError, SourceError
from cxr_clip.prepare.listed_images import DOUBLES
from cxr_clip.prepare.mimic_cxr_layout import FoundImages, Layout, find_images, find_layout, study_folder
from cxr_clip.prepare.mimic_cxr_reports import Reports, find_reports, report_path
from cxr_clip.prepare.mimic_cxr_tables import (
    ListedImages,
    StudyLabels,
    StudySplits,
    patient_of,
    read_images,
    read_labels,
    read_splits,
    study_of,
)
from cxr_clip.prepare.mimic_cxr_test_labels import TestLabels, read_test_labels
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
from cxr_clip.study import Certainty, ImageFile, Split, Study, View

NAME = "mimic_cxr"
PUBLISHED_IMAGES = 377_110
PUBLISHED_STUDIES = 227_835
PUBLISHED_PATIENTS = 65_379
PUBLISHED_LABELLED = 227_827
PUBLISHED_SPLITS = {Split.TRAIN: 222_758, Split.VALIDATE: 1_808, Split.TEST: 3_269}


@dataclass(frozen=True)
class _Raw:
    """What is known of the raw folder before a report is read or an image decoded."""

    images: ListedImages
    found: FoundImages
    splits: StudySplits
    labels: StudyLabels | None
    test_labels: TestLabels | None
    reports: Reports | None

    def findings(self, key: int) -> Mapping[str, Certainty] | None:
        """The findings of a study, a radiologist's before a program's; None where no table names it."""
        if self.test_labels is not None and key in self.test_labels.findings:
            return self.test_labels.findings[key]
        return None if self.labels is None else self.labels.of_study(key)

    def missing(self) -> Bool[np.ndarray, "images"]:
        """Which listed images are not there."""
        return np.asarray((self.found.place_of == 0) & ~self.images.repeated)

    def present(self) -> list[int]:
        """The keys of the studies that have an image there."""
        return [int(key) for key in np.unique(self.images.keys[self.found.place_of > 0])]


@dataclass(frozen=True)
class _Drafts:
    """The drafts, made anew at every pass: the report of one study at a time is in memory."""

    raw: _Raw

    def __iter__(self) -> Iterator[Study | Rejection]:
        yield from absent_line(int(self.raw.missing().sum()), int((~self.raw.images.repeated).sum()))
        for path in self.raw.found.unlisted:
            yield Rejection("image", path, None, "the metadata does not list this image")
        if self.raw.test_labels is not None:
            yield from self.raw.test_labels.rejections
        shared = _shared_studies(self.raw.images)
        for key in map(int, self.raw.images.studies()):
            yield from _drafts(self.raw, key, shared)


def prepare_mimic_cxr(
    raw: Path,
    out: Path,
    options: PrepareOptions,
    *,
    reports: Path | None = None,
    labels: Path | None = None,
    metadata: Path | None = None,
    split: Path | None = None,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Prepare a MIMIC-CXR folder; see `read_mimic_cxr`. Raises SourceError if the layout is another."""
    source = read_mimic_cxr(raw, reports=reports, labels=labels, metadata=metadata, split=split)
    return run_pipeline(source, out, options, progress=progress)


def read_mimic_cxr(
    raw: Path,
    *,
    reports: Path | None = None,
    labels: Path | None = None,
    metadata: Path | None = None,
    split: Path | None = None,
) -> RawSource:
    """Read the tables of a MIMIC-CXR folder and find the listed images that are there; none is decoded.

    The tables are those given, else `mimic-cxr-<release>-{metadata,split,chexpert,negbio}.csv.gz` in the raw folder or
    below it, of the newest release; of the two kinds of labels chexpert is taken where both are there. `reports` is
    mimic-cxr-reports.zip, which is read as it is, or a folder with its texts; without it they are looked for in the
    raw folder. Without labels studies have no findings, without reports no sections. Studies
    that `mimic-cxr-2.1.0-test-set-labeled.csv` of the raw folder names have a radiologist's labels, from it alone.

    Raises SourceError if the metadata or the split is missing, a table contradicts itself or names nothing of what is
    there, or no listed image is there.
    """
    layout = find_layout(raw)
    images = read_images(metadata or _require(layout, "metadata"))
    labels = labels or layout.tables.get("chexpert") or layout.tables.get("negbio")
    splits = read_splits(split or _require(layout, "split"))
    by_hand = layout.tables.get("test-set-labeled")
    found = find_images(layout, images)
    known = _Raw(
        images=images,
        found=found,
        splits=splits,
        labels=None if labels is None else read_labels(labels),
        test_labels=None if by_hand is None else read_test_labels(by_hand, images, splits),
        reports=find_reports(layout, found, reports),
    )
    _check(known, raw)
    return RawSource(
        name=NAME,
        raw=raw,
        drafts=_Drafts(known),
        total=len(known.present()),
        absent=tuple(found.path(images, int(row)) for row in np.flatnonzero(known.missing())),
        remarks=_remarks(known, layout),
    )


def _require(layout: Layout, kind: str) -> Path:
    if kind not in layout.tables:
        raise SourceError(
            f"{layout.root} has no mimic-cxr-2.0.0-{kind}.csv.gz (or of another release) in it or below it: "
            f"get it from MIMIC-CXR-JPG, which has it for the DICOM files too, or name it with --{kind}"
        )
    return layout.tables[kind]


def _check(raw: _Raw, root: Path) -> None:
    """Raise SourceError where a table has nothing to do with what is there."""
    present = raw.present()
    if not present:
        raise SourceError(
            f"{root} has none of the {len(raw.images):,} images that {raw.images.file} lists (looked for "
            "p10/p10000032/s50414267/<dicom_id> as .jpg, .jpeg, .png or .dcm): name the folder that holds `files/`"
        )
    if not any(map(raw.splits.of_study, present)):
        raise SourceError(f"{raw.splits.file} names none of the {len(present):,} studies in {root}: give their table")
    if raw.labels is not None and all(raw.labels.of_study(key) is None for key in present):
        raise SourceError(f"{raw.labels.file} names none of the {len(present):,} studies in {root}: give their table")


def _remarks(raw: _Raw, layout: Layout) -> dict[str, int]:
    """What the tables list, beside what was published, and which of them were used."""
    images, splits, labels = raw.images, raw.splits, raw.labels
    studies = images.studies()
    remarks = {
        f"images listed in {images.file.name} (published: {PUBLISHED_IMAGES:,})": int((~images.repeated).sum()),
        f"studies listed (published: {PUBLISHED_STUDIES:,})": len(studies),
        f"patients listed (published: {PUBLISHED_PATIENTS:,})": len(np.unique(patient_of(studies))),
        "images listed without a view that is known": sum(
            images.view(row) is View.UNKNOWN for row in range(len(images))
        ),
        DOUBLES: raw.found.doubles,
    }
    for part, published in PUBLISHED_SPLITS.items():
        remarks[f"studies of the {part} part in {splits.file.name} (published: {published:,})"] = splits.count(part)
    if labels is not None:
        remarks[f"studies labelled in {labels.file.name} (published: {PUBLISHED_LABELLED:,})"] = len(labels.keys)
        unused = [layout.tables[kind] for kind in ("chexpert", "negbio") if kind in layout.tables]
        remarks |= {f"tables of labels not used: {file.name}": 1 for file in unused if file != labels.file}
    if raw.test_labels is not None:
        file, count = raw.test_labels.file.name, len(raw.test_labels.findings)
        remarks[f"studies of the test part with a radiologist's labels, in {file}"] = count
    where = "no reports were found" if raw.reports is None else f"reports from {raw.reports.place}"
    remarks[f"studies with images; {where}"] = len(raw.present())
    return nonzero(remarks)


def _drafts(raw: _Raw, key: int, shared: Collection[int]) -> Iterator[Study | Rejection]:
    """The study of a key if it can be used, and what cannot be used of it."""
    rows, study = raw.images.rows(key), str(study_of(key))
    for row in rows:
        if raw.images.repeated[row]:
            path = raw.found.path(raw.images, row)
            yield Rejection("image", path, study, "the metadata lists this image a second time")
    there = [row for row in rows if raw.found.place_of[row] and not raw.images.repeated[row]]
    if not there:
        return
    refusal = _refusal(raw, key, shared)
    if refusal is not None:
        yield Rejection("study", study_folder(key), study, refusal)
        return
    images = tuple(ImageFile(raw.found.path(raw.images, row), raw.images.view(row)) for row in there)
    yield from _told(raw, key, images)


def _told(raw: _Raw, key: int, images: tuple[ImageFile, ...]) -> Iterator[Study | Rejection]:
    """The study with what its report and its labels say, and what is wrong with them."""
    study = str(study_of(key))
    sections, fault = _sections(raw.reports, key)
    findings = raw.findings(key)
    if fault is not None:
        kept = "; kept for its labels" if findings else ""
        yield Rejection("report", report_path(key), study, f"{fault}{kept}")
    if raw.labels is not None and findings is None:
        kept = "; kept for its report" if _is_usable(sections) else ""
        yield Rejection("labels", raw.labels.file.name, study, f"the table of labels does not name it{kept}")
    if not findings and not _is_usable(sections):
        yield Rejection("study", study_folder(key), study, "neither a report nor labels say anything of it")
        return
    yield Study(
        id=study,
        patient=str(patient_of(key)),
        source=NAME,
        split=raw.splits.of_study(key)[0],
        images=images,
        sections=sections,
        findings=findings or {},
    )


def _refusal(raw: _Raw, key: int, shared: Collection[int]) -> str | None:
    """Why a study cannot be used whatever its report says, or None."""
    if study_of(key) in shared:
        return "the metadata gives this study to several patients"
    if not raw.splits.of_study(key):
        return "the table of splits does not name it"
    parts = raw.splits.of_patient(patient_of(key))
    return f"its patient is in several parts of the split: {', '.join(parts)}" if len(parts) > 1 else None


def _sections(reports: Reports | None, key: int) -> tuple[Mapping[str, str], str | None]:
    """The sections of a study's report, and what is wrong with it."""
    if reports is None:
        return {}, None
    try:
        text = reports.text(key)
    except ReportError as error:
        return {}, str(error)
    if text is None:
        return {}, "there is no report"
    sections = split_sections(text)
    return sections, None if _is_usable(sections) else "the report has neither findings nor impression"


def _is_usable(sections: Mapping[str, str]) -> bool:
    return any(sections.get(name) for name in REPORT_SECTIONS)


def _shared_studies(images: ListedImages) -> frozenset[int]:
    """The numbers of studies that stand under several patients."""
    numbers, counts = np.unique(study_of(images.studies()), return_counts=True)
    return frozenset(map(int, numbers[counts > 1]))
