"""CheXpert Plus: the reports of CheXpert, 223,228 images of 187,711 examinations of 64,725 patients.

The table is df_chexpert_plus_240401.csv; the images are those of CheXpert (JPEG) or of this release (PNG, DICOM).
P. Chambon et al., 2024, https://arxiv.org/abs/2405.19538
"""

from collections import Counter
from itertools import chain
from pathlib import Path

from cxr_clip.prepare.chexpert_images import find_images
from cxr_clip.prepare.chexpert_reports import FILE_NAME, LabelsByImage, PlusTable, read_labels, read_plus
from cxr_clip.prepare.chexpert_studies import (
    Division,
    Drafts,
    Part,
    as_source,
    count_remarks,
    find_absent,
    read_excluded,
)
from cxr_clip.prepare.chexpert_table import Table
from cxr_clip.prepare.files import list_files
from cxr_clip.prepare.listed_images import DOUBLES
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource

NAME = "chexpert_plus"


def prepare_chexpert_plus(
    raw: Path,
    out: Path,
    options: PrepareOptions,
    *,
    reports: Path | None = None,
    labels: Path | None = None,
    exclude: Path | None = None,
    validation: float | None = None,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Prepare a CheXpert Plus folder; see `read_chexpert_plus`. Raises SourceError if the layout is another."""
    source = read_chexpert_plus(raw, reports=reports, labels=labels, exclude=exclude, validation=validation)
    return run_pipeline(source, out, options, progress=progress)


def read_chexpert_plus(
    raw: Path,
    *,
    reports: Path | None = None,
    labels: Path | None = None,
    exclude: Path | None = None,
    validation: float | None = None,
) -> RawSource:
    """Read the reports of CheXpert Plus and find the images that are there; none is decoded.

    `reports` is the table, or else df_chexpert_plus_240401.csv of the raw folder. `labels` gives findings by image: a
    CSV with `Path` (train.csv, train_cheXbert.csv) or the release's JSON lines (chexbert_labels/impression_fixed.json);
    without it there are none. `exclude` and `validation` are those of `read_chexpert`.

    Raises SourceError if a table is missing or belongs to other images.
    """
    files = list_files(raw)
    known = LabelsByImage() if labels is None else read_labels(labels)
    table = read_plus(reports or files.require(FILE_NAME, what="the reports of CheXpert Plus"), known)
    division = Division(
        held_out=frozenset(row.key.patient for row in table.valid),
        excluded=None if exclude is None else read_excluded(exclude),
        validation=validation,
    )
    division.require_overlap({row.key.patient for row in table.train})
    images = find_images(files)
    parts = (
        Part(Table(table.train, tuple(table.rejections)), held_out=False),
        Part(Table(table.valid, ()), held_out=True),
    )
    drafts = Drafts(
        source=NAME,
        parts=parts,
        images=images,
        division=division,
        absent=find_absent(raw, parts, images),
        nothing="neither findings nor impression, and no label",
        silent="neither findings nor impression; kept for its labels",
    )
    return as_source(raw, drafts, {**_counts(table, division), DOUBLES: images.doubles})


def _counts(table: PlusTable, division: Division) -> dict[str, int]:
    """The counts that can be held against the published ones."""
    remarks = count_remarks("in the table", ("223,228 unique", "64,725"), table.rows())
    told = Counter[str]()
    for rows in chain(table.train.by_study(), table.valid.by_study()):
        sections = next((row.sections for row in rows if row.sections), {})
        told.update(["studies", *sections, *(["any"] if sections else [])])
    remarks["studies in the table (published: 187,711 reports)"] = told["studies"]
    remarks["studies with findings or impression"] = told["any"]
    remarks["studies with findings"] = told["findings"]
    remarks["studies with impression"] = told["impression"]
    remarks["images with labels"] = sum(bool(row.findings) for row in table.rows())
    leaving = {row.key.patient for row in table.train if division.leaves(row.key.patient)}
    remarks["patients that leave the training set (966 with 5x200)"] = len(leaving)
    return remarks
