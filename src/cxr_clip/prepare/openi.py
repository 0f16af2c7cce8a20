"""Open-I (Indiana University chest X-rays): XML reports, and images named by their Open-I id.

A study is one report; its id and its patient are the report's uId ("CXR1"). Layout: `ecgen-radiology/<uid>.xml` and
images anywhere below the raw folder, as .png, .jpg or .dcm. https://openi.nlm.nih.gov/faq#collection
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from cxr_clip.errors import ReportError, SourceError
from cxr_clip.prepare.files import RawFiles, list_files
from cxr_clip.prepare.listed_images import DOUBLES, images_by_key
from cxr_clip.prepare.openi_labels import findings_from_mesh
from cxr_clip.prepare.openi_report import OpeniReport, read_openi_report
from cxr_clip.prepare.openi_tables import OpeniTables, image_key, read_tables, require_matches, table_remarks
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource, Rejection, nonzero
from cxr_clip.prepare.splits import split_by_hash
from cxr_clip.study import ImageFile, Split, Study

NAME = "openi"
_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm")


def prepare_openi(
    raw: Path,
    out: Path,
    options: PrepareOptions,
    *,
    projections: Path | None = None,
    splits: Path | None = None,
    labels: Path | None = None,
    progress: Progress | None = None,
) -> PrepareSummary:
    """Prepare an Open-I folder; see `read_openi` for the tables. Raises SourceError if the layout is another."""
    source = read_openi(raw, projections=projections, splits=splits, labels=labels)
    return run_pipeline(source, out, options, progress=progress)


def read_openi(
    raw: Path, *, projections: Path | None = None, splits: Path | None = None, labels: Path | None = None
) -> RawSource:
    """Read the reports and the tables of an Open-I folder; no image is decoded.

    `projections` is a CSV with uid, image_id (or filename) and projection; without it, and without a
    `projections.csv` or `indiana_projections.csv` in the raw folder, views are unknown. `splits` is a CSV with uid and
    split; without it, and without `split.csv`, a hash of the report's text puts 80/10/10 % into train, validate and
    test, so that equal reports come to one side. `labels` is a CSV with uid and one column a finding; without it,
    and without `labels_nih14.csv`, findings come from the MeSH terms. The remarks say which were used.

    Raises SourceError if the layout is another, or if a table contradicts itself or names nothing of what is there.
    """
    files = list_files(raw)
    return _source(files, read_tables(files, projections=projections, splits=splits, labels=labels))


def _source(files: RawFiles, tables: OpeniTables) -> RawSource:
    images, doubles = _images(files)
    read = [_read(files, path) for path in _report_files(files)]
    reports = [report for report in read if isinstance(report, OpeniReport)]
    named = {image_key(name) for report in reports for name in report.images}
    first = {report.id: report for report in reversed(reports)}
    require_matches(tables, reports=first, images=named | images.keys())
    drafts: list[Study | Rejection] = []
    absent: list[str] = []
    for report in read:
        if isinstance(report, Rejection):
            drafts.append(report)
        elif report is not first[report.id]:
            drafts.append(Rejection("report", report.path, report.id, "a report of the same id was read before"))
        else:
            absent.extend(name for name in report.images if image_key(name) not in images)
            drafts.extend(_drafts(report, images, tables))
    orphans = (path for key, path in sorted(images.items()) if key not in named)
    drafts.extend(Rejection("image", path, None, "no report names this image") for path in orphans)
    remarks = table_remarks(tables, [draft for draft in drafts if isinstance(draft, Study)])
    return RawSource(
        name=NAME,
        raw=files.root,
        drafts=drafts,
        total=len(drafts),
        absent=tuple(absent),
        remarks=nonzero({DOUBLES: doubles, **remarks}),
    )


def _read(files: RawFiles, path: str) -> OpeniReport | Rejection:
    try:
        return read_openi_report(files.root, path)
    except ReportError as error:
        return Rejection("report", path, None, str(error))


def _report_files(files: RawFiles) -> list[str]:
    """The XML files of the folders called ecgen-radiology, by number."""
    here = (
        path for path in files.with_suffix(".xml") if (files.root / path).absolute().parent.name == "ecgen-radiology"
    )
    found = [path.as_posix() for path in sorted(here, key=lambda path: (path.parent, len(path.stem), path.stem))]
    if not found:
        raise SourceError(
            f"{files.root} has no ecgen-radiology/*.xml in it or below it: unpack NLMCXR_reports.tgz there, "
            "or name the folder that holds it"
        )
    return found


def _images(files: RawFiles) -> tuple[dict[str, str], int]:
    """The image files by key, and how many further files of the same images there are. Raises SourceError for none."""
    images, doubles = images_by_key(files, _SUFFIXES, image_key)
    if not images:
        raise SourceError(
            f"{files.root} has no .png, .jpg or .dcm image in it or below it: "
            "unpack NLMCXR_png.tgz (or NLMCXR_dcm.tgz) there"
        )
    return images, doubles


def _drafts(report: OpeniReport, images: Mapping[str, str], tables: OpeniTables) -> Iterator[Study | Rejection]:
    """The study of a report if it can be used, and what cannot be used of it."""
    here = {name: images[image_key(name)] for name in report.images if image_key(name) in images}
    for name in report.images:
        if name not in here:
            yield Rejection("image", name, report.id, "the report names this image, the raw folder lacks it")
    if not here:
        reason = "none of the images that it names is there" if report.images else "the report names no image"
        yield Rejection("report", report.path, report.id, reason)
        return
    number = report.id.removeprefix("CXR")
    findings = findings_from_mesh(report.terms) if tables.labels is None else tables.labels.rows.get(number, {})
    if not report.is_usable:
        kept = "; kept for its labels" if findings else ""
        yield Rejection("report", report.path, report.id, f"neither findings nor impression{kept}")
        if not findings:
            return
    split = _split_by_text(report) if tables.splits is None else tables.splits.rows.get(number)
    if split is None:
        yield Rejection("study", report.path, report.id, "the table of splits does not name it")
        return
    pictures = tuple(ImageFile(path, tables.view(name)) for name, path in here.items())
    yield Study(
        id=report.id,
        patient=report.id,
        source=NAME,
        split=split,
        images=pictures,
        sections=report.sections,
        findings=findings,
    )


def _split_by_text(report: OpeniReport) -> Split:
    """Equal reports come to one side."""
    text = " ".join(f"{report.sections.get('findings', '')} {report.sections.get('impression', '')}".lower().split())
    return split_by_hash(text or report.id)
