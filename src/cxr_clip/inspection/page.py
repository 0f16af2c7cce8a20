"""The page of an inspection: inspect.html, self-contained, and inspect.json for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cxr_clip.data.findings import NO_FINDING
from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.errors import ImageError
from cxr_clip.html_pages import data_address, render_page
from cxr_clip.inspection.copies import Copies, Copy
from cxr_clip.inspection.counts import Label
from cxr_clip.inspection.inspect_manifest import Inspection
from cxr_clip.inspection.samples import Sample
from cxr_clip.whole_files import write_whole

PAGE, FIGURES = "inspect.html", "inspect.json"
_COPIES_SHOWN = 6
_ROWS_SHOWN = 8


@dataclass(frozen=True)
class Bar:
    """One row of a small table of counts: its share in percent of all, and of the longest bar."""

    name: str
    count: int
    share: float
    width: float


@dataclass(frozen=True)
class LabelRow:
    """One finding, with the widths of its parts in percent."""

    label: Label
    positive: float
    uncertain: float
    negative: float


@dataclass(frozen=True)
class Picture:
    """A picture as a data address, with the words below it."""

    address: str | None
    caption: str


@dataclass(frozen=True)
class Card:
    """A study as training sees it. `stated` are the findings to show, the positive ones first."""

    sample: Sample
    pictures: tuple[str, ...]
    stated: tuple[tuple[str, str], ...]
    negatives: int


def write_inspection(inspection: Inspection, folder: Path) -> Path:
    """Write inspect.json and inspect.html into a folder, each whole or not at all; return the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FIGURES, inspection_json(inspection))
    return write_whole(folder / PAGE, inspection_html(inspection))


def inspection_json(inspection: Inspection) -> str:
    """Everything but the pictures."""
    studies = tuple(replace(sample, pictures=()) for sample in inspection.samples.studies)
    plain = asdict(replace(inspection, samples=replace(inspection.samples, studies=studies)))
    for sample in plain["samples"]["studies"]:
        del sample["pictures"]
    plain["folder"] = str(inspection.folder)
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def inspection_html(inspection: Inspection) -> str:
    """One file without scripts, styles, fonts or pictures from elsewhere."""
    manifest = read_manifest(inspection.folder, check=False)
    return render_page("inspect.html.j2", _values(inspection, manifest))


def _values(inspection: Inspection, manifest: Manifest) -> dict[str, Any]:
    counts, studies = inspection.counts, inspection.counts.studies
    return {
        "one": inspection,
        "counts": counts,
        "title": inspection.folder.resolve().name,
        "labels": [label_row(label, studies) for label in inspection.labels],
        "views": bars(counts.views, counts.images),
        "images_per_study": bars(counts.images_per_study, studies),
        "sections": bars(counts.sections, studies),
        "sections_per_study": bars(counts.sections_per_study, studies) if counts.sections else [],
        "sizes": bars(counts.sizes, counts.images),
        "sexes": bars(counts.sexes, studies),
        "copies": [*_copies(inspection, manifest)],
        "cards": [card(sample) for sample in inspection.samples.studies],
        "published": {(row.source, row.split, row.unit): row.published for row in inspection.published},
        "settings": _settings(inspection),
        "megabytes": counts.bytes / 1e6,
    }


def _settings(inspection: Inspection) -> dict[str, Any]:
    """How the manifest was prepared; what it says itself goes before what its summary says, where it applies."""
    told = {**inspection.preparation.settings, **asdict(inspection.provenance)}
    unsaid = {"label_reports"} | (set() if inspection.counts.dicom_images else {"windowing"})
    return {
        name: value for name, value in told.items() if name not in unsaid and value is not None and value is not False
    }


def bars(counts: Mapping[Any, int], total: int) -> list[Bar]:
    """The first rows of a table of counts, the rest in one row where they are several."""
    shown = counts if len(counts) == _ROWS_SHOWN + 1 else dict(list(counts.items())[:_ROWS_SHOWN])
    rest = sum(counts.values()) - sum(shown.values())
    named = {str(name): count for name, count in shown.items()}
    if rest:
        named[f"{len(counts) - len(shown)} others"] = rest
    most = max(named.values(), default=1) or 1
    return [Bar(name, count, 100 * count / max(1, total), 100 * count / most) for name, count in named.items()]


def label_row(label: Label, studies: int) -> LabelRow:
    """The parts of a finding's bar."""
    parts = (100 * count / max(1, studies) for count in (label.positive, label.uncertain, label.negative))
    return LabelRow(label, *(round(part, 2) for part in parts))


def card(sample: Sample) -> Card:
    """What the page shows of a study; many negative findings are counted, not listed."""
    order = ("positive", "uncertain")
    stated = sorted((pair for pair in sample.findings.items() if pair[1] in order), key=lambda p: order.index(p[1]))
    negatives = sum(1 for name, said in sample.findings.items() if said == "negative" and name != NO_FINDING)
    return Card(sample, tuple(map(data_address, sample.pictures)), tuple(stated), negatives)


def _copies(inspection: Inspection, manifest: Manifest) -> list[tuple[Picture, ...]]:
    """Some groups of equal pictures: those that reach farthest."""
    store = ImageStore(manifest.root)
    groups = _farthest(inspection.same_picture)
    return [tuple(_copy(one, manifest, store) for one in group) for group in groups]


def _farthest(copies: Copies) -> Sequence[tuple[Copy, ...]]:
    return copies.examples[:_COPIES_SHOWN]


def _copy(copy: Copy, manifest: Manifest, store: ImageStore) -> Picture:
    caption = f"{copy.study}, image {copy.image + 1}, {copy.split}"
    try:
        image = manifest[copy.row].images[copy.image]
        return Picture(data_address(store.read(image)), caption)
    except (ImageError, ValueError):  # a manifest with unknown views or splits makes no study
        return Picture(None, caption)
