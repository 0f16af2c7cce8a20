"""CheXpert 5x200: for each of five findings 200 frontal images that show this one alone, with the impression.

The published table is chexpert_5x200.csv (S.-C. Huang et al., GLoRIA, ICCV 2021). A study is one image, so that 1,000
image-text pairs remain. Where the table is not at hand, a set of the same kind is chosen from CheXpert Plus.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.data.reports import sections_from_labelled
from cxr_clip.errors import SourceError
from cxr_clip.prepare.chexpert_5x200_choice import TASKS, choose, single_task
from cxr_clip.prepare.chexpert_images import ImageKey, Labels, find_images, image_key, view_of
from cxr_clip.prepare.chexpert_reports import FILE_NAME as PLUS
from cxr_clip.prepare.chexpert_reports import LabelsByImage, read_labels, read_plus
from cxr_clip.prepare.chexpert_rows import Row
from cxr_clip.prepare.chexpert_studies import count_remarks
from cxr_clip.prepare.chexpert_table import NO_KEY, finding_columns
from cxr_clip.prepare.files import RawFiles, list_files
from cxr_clip.prepare.label_values import is_blank, sex_of, years_of
from cxr_clip.prepare.listed_images import DOUBLES
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
from cxr_clip.prepare.table_file import table_columns, text_rows
from cxr_clip.study import ImageFile, Split, Study

NAME = "chexpert_5x200"
REBUILT = "chexpert_5x200_rebuilt"
FILE_NAME = "chexpert_5x200.csv"
_REPORT = "Report Impression"


@dataclass(frozen=True)
class Selection:
    """The rows of a test set of this kind, and the impression of each by image key."""

    name: str
    rows: Sequence[Row | Rejection]
    texts: Mapping[ImageKey, str]


def prepare_chexpert_5x200(
    raw: Path,
    out: Path,
    options: PrepareOptions,
    *,
    table: Path | None = None,
    reports: Path | None = None,
    labels: Path | None = None,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Prepare CheXpert 5x200; see `read_chexpert_5x200`. Raises SourceError if the layout is another."""
    source = read_chexpert_5x200(raw, table=table, reports=reports, labels=labels)
    return run_pipeline(source, out, options, progress=progress)


def read_chexpert_5x200(
    raw: Path,
    *,
    table: Path | None = None,
    reports: Path | None = None,
    labels: Path | None = None,
    per_class: int = 200,
) -> RawSource:
    """Read the images and impressions of CheXpert 5x200; all of it is the test split.

    `table` is chexpert_5x200.csv, given or in the raw folder. Where it has no column of impressions they come from
    CheXpert Plus (`reports`). Without a table, `per_class` images of each finding are chosen from the training part of
    CheXpert Plus by the `labels` (train.csv of the raw folder, or given): not the published images, so that the source
    is called chexpert_5x200_rebuilt.

    Raises SourceError if neither table is there, or a column is missing.
    """
    files = list_files(raw)
    table = table or files.named(FILE_NAME)
    reports = reports or files.named(PLUS)
    if table is not None:
        chosen = _published(table, reports)
    elif reports is not None:
        chosen = _rebuilt(reports, labels or files.require("train.csv", what="the labels by image"), per_class)
    else:
        raise SourceError(
            f"{raw} has neither {FILE_NAME} nor {PLUS} in it or below it: put one of them there, or name it"
        )
    return _source(files, chosen)


def _source(files: RawFiles, chosen: Selection) -> RawSource:
    images = find_images(files)
    drafts: list[Study | Rejection] = []
    absent: list[str] = []
    for row in chosen.rows:
        if isinstance(row, Rejection):
            drafts.append(row)
        elif row.key not in images:
            absent.append(row.path)
        else:
            drafts.extend(_drafts(row, images[row.key], chosen))
    studies = [draft for draft in drafts if isinstance(draft, Study)]
    if not studies:
        raise SourceError(
            f"{files.root} has no usable image of the {len(chosen.rows):,} in the table: unpack CheXpert there"
        )
    rows = [row for row in chosen.rows if isinstance(row, Row)]
    classes = Counter(single_task(study.findings) for study in studies)
    remarks = {
        **count_remarks("in the table", ("1,000", "966"), rows),
        **{f"studies with {task} alone (published: 200)": classes[task] for task in TASKS},
        DOUBLES: images.doubles,
    }
    drafts = [*absent_line(len(absent), len(chosen.rows)), *drafts]
    return RawSource(
        name=chosen.name,
        raw=files.root,
        drafts=drafts,
        total=len(drafts),
        absent=tuple(absent),
        remarks=nonzero(remarks),
    )


def _drafts(row: Row, path: str, chosen: Selection) -> list[Study | Rejection]:
    """The study of an image, and that it has no impression where that is so."""
    name = row.key.image_id
    if single_task(row.findings) is None:
        return [Rejection("image", path, name, f"not exactly one of {', '.join(TASKS)} is positive")]
    text = chosen.texts.get(row.key, "")
    study = Study(
        id=name,
        patient=row.key.patient,
        source=chosen.name,
        split=Split.TEST,
        images=(ImageFile(path, row.view),),
        sections={"impression": text} if text else {},
        findings=row.findings,
        age=row.age,
        sex=row.sex,
    )
    if text:
        return [study]
    return [study, Rejection("report", path, name, "no impression; kept for its labels")]


def _published(table: Path, reports: Path | None) -> Selection:
    """The rows of chexpert_5x200.csv; impressions from it or from CheXpert Plus."""
    has_reports = _REPORT in table_columns(table)
    if not has_reports and reports is None:
        raise SourceError(f"{table} has no column {_REPORT}: put {PLUS} beside it, whose impressions fit")
    rows, texts = _read_table(table, with_reports=has_reports)
    if not has_reports and reports is not None:
        impressions = read_plus(reports, LabelsByImage()).impressions()
        texts = {row.key: impressions.get(row.key.study_id, "") for row in rows if isinstance(row, Row)}
    return Selection(NAME, rows, texts)


def _read_table(table: Path, *, with_reports: bool) -> tuple[list[Row | Rejection], dict[ImageKey, str]]:
    columns = finding_columns(table, require=TASKS)
    known = [name for name in ("Sex", "Age", "Frontal/Lateral", "AP/PA") if name in table_columns(table)]
    wanted = ["Path", *([_REPORT] if with_reports else []), *known, *columns.values()]
    labels = Labels(tuple(columns))
    rows: list[Row | Rejection] = []
    texts: dict[ImageKey, str] = {}
    for cells in text_rows(table, wanted):
        values = dict(zip(wanted, cells, strict=True))
        row = _row(values, labels, [values[column] for column in columns.values()])
        if isinstance(row, Row) and row.key in texts:
            row = Rejection("image", row.path, row.key.image_id, f"{table.name} lists this image twice")
        elif isinstance(row, Row):
            texts[row.key] = _clean(values.get(_REPORT, ""))
        rows.append(row)
    return rows, texts


def _row(values: Mapping[str, str], labels: Labels, cells: Sequence[str]) -> Row | Rejection:
    path = values["Path"]
    key = image_key(path)
    if key is None:
        return Rejection("image", path, None, NO_KEY)
    try:
        findings = labels.read(cells)
    except ValueError as error:
        return Rejection("image", path, key.image_id, str(error))
    plane = values.get("Frontal/Lateral", "Frontal")  # the published images are all frontal
    view = view_of(plane, values.get("AP/PA", ""))
    return Row(path, key, view, findings, years_of(values.get("Age", "")) or None, sex_of(values.get("Sex", "")))


def _rebuilt(reports: Path, labels: Path, per_class: int) -> Selection:
    """A set of the same kind from CheXpert Plus."""
    table = read_plus(reports, read_labels(labels))
    impressions = table.impressions()
    rows = choose(table.train, impressions, per_class)
    return Selection(REBUILT, rows, {row.key: impressions[row.key.study_id] for row in rows})


def _clean(text: str) -> str:
    """The impression without masks and headers; nothing where it says nothing."""
    return "" if is_blank(text) else sections_from_labelled([("impression", text)]).get("impression", "")
