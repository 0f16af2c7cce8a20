"""Open-I (Indiana University chest X-rays): XML reports, and images named by their Open-I id.

A study is one report; its id and its patient are the report's uId ("CXR1"). Layout: `ecgen-radiology/<uid>.xml` and
images anywhere below the raw folder, as .png, .jpg or .dcm. https://openi.nlm.nih.gov/faq#collection
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.errors import ReportError, SourceError
from cxr_clip.prepare.files import RawFiles, list_files, read_columns, read_csv
from cxr_clip.prepare.openi_labels import findings_from_mesh, read_labels
from cxr_clip.prepare.openi_report import OpeniReport, read_openi_report
from cxr_clip.prepare.pipeline import run_pipeline
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary, Progress, RawSource, Rejection
from cxr_clip.prepare.splits import read_splits, split_by_hash
from cxr_clip.study import Certainty, ImageFile, Split, Study, View

NAME = "openi"
_VIEWS = {"frontal": View.FRONTAL, "lateral": View.LATERAL, "pa": View.PA, "ap": View.AP}
_IMAGE_ID = re.compile(r"^CXR(?P<uid>\d+)_(?:(?P=uid)_)?(?=IM-)", re.IGNORECASE)
_SUFFIXES = re.compile(r"(\.(png|jpe?g|dcm))+$", re.IGNORECASE)


@dataclass(frozen=True)
class _Tables:
    """What stands beside the reports, by image key or report number; None where there is no such table."""

    views: Mapping[str, View]
    splits: Mapping[str, Split] | None
    labels: Mapping[str, Mapping[str, Certainty]] | None


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
    and without `labels_nih14.csv`, findings come from the MeSH terms. Raises SourceError if the layout is another.
    """
    files = list_files(raw)
    tables = _Tables(
        views=_read_views(projections or files.named("projections.csv", "indiana_projections.csv")),
        splits=read_splits(file) if (file := splits or files.named("split.csv")) else None,
        labels=read_labels(file) if (file := labels or files.named("labels_nih14.csv")) else None,
    )
    return _source(files, tables)


def _source(files: RawFiles, tables: _Tables) -> RawSource:
    images = _images(files)
    named: set[str] = set()
    absent: list[str] = []
    drafts: list[Study | Rejection] = []
    seen: dict[str, str] = {}
    for path in _report_files(files):
        try:
            report = read_openi_report(files.root, path)
        except ReportError as error:
            drafts.append(Rejection("report", path, None, str(error)))
            continue
        named.update(map(image_key, report.images))
        if report.id in seen:
            drafts.append(Rejection("report", path, report.id, "a report of the same id was read before"))
            continue
        seen[report.id] = path
        absent.extend(name for name in report.images if image_key(name) not in images)
        drafts.extend(_drafts(report, images, tables))
    orphans = (path for key, path in sorted(images.items()) if key not in named)
    drafts.extend(Rejection("image", path, None, "no report names this image") for path in orphans)
    return RawSource(name=NAME, raw=files.root, drafts=drafts, total=len(drafts), absent=tuple(absent))


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


def image_key(name: str) -> str:
    """One spelling for an image, whichever edition named it.

    "CXR1_1_IM-0001-3001" (XML), "CXR1_1_IM-0001-3001.png" and "1_IM-0001-3001.dcm.png" are the same image.
    """
    return _IMAGE_ID.sub(r"\g<uid>_", _SUFFIXES.sub("", name)).upper()


def _images(files: RawFiles) -> dict[str, str]:
    """The image files by key; of several with one key the .png comes before the .jpg before the .dcm."""
    images: dict[str, str] = {}
    for path in files.with_suffix(".png", ".jpg", ".jpeg", ".dcm"):
        images.setdefault(image_key(path.name), path.as_posix())
    if not images:
        raise SourceError(
            f"{files.root} has no .png, .jpg or .dcm image in it or below it: "
            "unpack NLMCXR_png.tgz (or NLMCXR_dcm.tgz) there"
        )
    return images


def _drafts(report: OpeniReport, images: Mapping[str, str], tables: _Tables) -> Iterator[Study | Rejection]:
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
    findings = findings_from_mesh(report.terms) if tables.labels is None else tables.labels.get(number, {})
    if not report.is_usable:
        kept = "; kept for its labels" if findings else ""
        yield Rejection("report", report.path, report.id, f"neither findings nor impression{kept}")
        if not findings:
            return
    split = _split(report, tables.splits)
    if split is None:
        yield Rejection("study", report.path, report.id, "the table of splits does not name it")
        return
    pictures = tuple(ImageFile(path, tables.views.get(image_key(name), View.UNKNOWN)) for name, path in here.items())
    yield Study(
        id=report.id,
        patient=report.id,
        source=NAME,
        split=split,
        images=pictures,
        sections=report.sections,
        findings=findings,
    )


def _split(report: OpeniReport, splits: Mapping[str, Split] | None) -> Split | None:
    if splits is not None:
        return splits.get(report.id.removeprefix("CXR"), splits.get(report.id))
    text = " ".join(f"{report.sections.get('findings', '')} {report.sections.get('impression', '')}".lower().split())
    return split_by_hash(text or report.id)


def _read_views(file: Path | None) -> dict[str, View]:
    """Views by image key; a projection of another name is unknown."""
    if file is None:
        return {}
    header, _ = read_csv(file)
    name = "image_id" if "image_id" in header else "filename"
    rows = read_columns(file, (name, "projection"))
    return {image_key(image): _VIEWS.get(view.lower(), View.UNKNOWN) for image, view in rows}
