"""CheXpert Plus: the reports of CheXpert, 223,228 images of 187,711 examinations of 64,725 patients.

The table is df_chexpert_plus_240401.csv; the images are those of CheXpert (JPEG) or of this release (PNG, DICOM).
P. Chambon et al., 2024, https://arxiv.org/abs/2405.19538
"""

from collections.abc import Sequence
from pathlib import Path

from cxr_clip.prepare.chexpert_images import find_images
from cxr_clip.prepare.chexpert_reports import FILE_NAME, PlusTable, read_labels, read_plus
from cxr_clip.prepare.chexpert_studies import (
    Division,
    Gathered,
    as_source,
    count_remarks,
    gather,
    not_listed,
    read_excluded,
)
from cxr_clip.prepare.chexpert_table import Row
from cxr_clip.prepare.files import list_files
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource, Rejection
from cxr_clip.study import Study

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
    known = {} if labels is None else read_labels(labels)
    table = read_plus(reports or files.require(FILE_NAME, what="the reports of CheXpert Plus"), known)
    division = Division(
        held_out=frozenset(row.key.patient for row in table.valid),
        excluded=None if exclude is None else read_excluded(exclude),
        validation=validation,
    )
    division.require_overlap({row.key.patient for row in table.train})
    images, doubles = find_images(files)
    gathered = Gathered(NAME, nothing="neither findings nor impression, and no label", sections=table.sections)
    gathered.drafts.extend(table.rejections)
    gather(gathered, table.train, images, division, held_out=False)
    gather(gathered, table.valid, images, division, held_out=True)
    listed = [*table.train, *table.valid]
    gathered.require_images(raw, len(listed))
    gathered.drafts.extend(_without_report(gathered.drafts))
    gathered.drafts.extend(not_listed(images, [*listed, *table.rejections]))
    remarks = {**_counts(table, listed, division), "files of the same image, unused": doubles}
    return as_source(files, gathered, remarks, listed=len(listed))


def _without_report(drafts: Sequence[Study | Rejection]) -> list[Rejection]:
    """What is missing from the studies that are kept for their labels."""
    silent = (draft for draft in drafts if isinstance(draft, Study) and not draft.sections)
    reason = "neither findings nor impression; kept for its labels"
    return [Rejection("report", study.images[0].path, study.id, reason) for study in silent]


def _counts(table: PlusTable, rows: list[Row], division: Division) -> dict[str, int]:
    """The counts that can be held against the published ones."""
    remarks = count_remarks("in the table", "223,228 unique; 64,725", rows)
    remarks["studies in the table (published: 187,711 reports)"] = len({row.key.study_id for row in rows})
    remarks["studies with findings or impression"] = len(table.sections)
    remarks["studies with findings"] = sum("findings" in sections for sections in table.sections.values())
    remarks["studies with impression"] = sum("impression" in sections for sections in table.sections.values())
    remarks["images with labels"] = sum(bool(row.findings) for row in rows)
    leaving = {row.key.patient for row in table.train if division.leaves(row.key.patient)}
    remarks["patients that leave the training set (966 with 5x200)"] = len(leaving)
    return remarks
