"""Everything about one manifest: its counts, its faults, its duplicates, some studies as training sees them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cxr_clip.data.faults import Fault
from cxr_clip.data.manifest import find_faults, read_manifest
from cxr_clip.data.provenance import Provenance
from cxr_clip.data.scan import Scan, scan_images
from cxr_clip.errors import CxrClipError
from cxr_clip.inspection.copies import Copies, find_copies, torn_copies
from cxr_clip.inspection.counts import Counts, Label, count, count_labels
from cxr_clip.inspection.duplicates import same_bytes, same_picture
from cxr_clip.inspection.published import Comparison, compare
from cxr_clip.inspection.samples import Samples, draw_samples
from cxr_clip.inspection.texts import TextLengths, count_words, measure_texts, token_counter
from cxr_clip.prepare.summary_file import Preparation, read_preparation
from cxr_clip.recipe import Recipe

Advance = Callable[[int, int], None]
DEFAULT_MAX_TOKENS = 256


@dataclass(frozen=True)
class InspectionRequest:
    """What to look at: how many random studies, drawn with which seed, put into words by which recipe.

    `tokeniser` is a folder with one; without it the lengths of texts are counted in words.
    """

    recipe: Recipe | None = None
    tokeniser: Path | None = None
    samples: int = 24
    seed: int = 0
    threads: int = 1
    max_tokens: int = DEFAULT_MAX_TOKENS


@dataclass(frozen=True)
class Inspection:
    """The outcome; `faults` are what --strict refuses, copies of images within one split are not among them."""

    folder: Path
    provenance: Provenance
    counts: Counts
    labels: tuple[Label, ...]
    texts: tuple[TextLengths, ...]
    text_unit: str
    max_tokens: int
    published: tuple[Comparison, ...]
    preparation: Preparation
    faults: tuple[Fault, ...]
    same_bytes: Copies
    same_picture: Copies
    samples: Samples


def inspect_manifest(path: Path, request: InspectionRequest, *, advance: Advance | None = None) -> Inspection:
    """Inspect a manifest folder; `advance` hears how many of its images are read.

    Raises ManifestError if there is no manifest, CheckpointError if there is no such tokeniser.
    """
    counter = count_words if request.tokeniser is None else token_counter(request.tokeniser)
    manifest = read_manifest(path, check=False)
    table = manifest.table
    faults = find_faults(manifest)
    counts = count(table)
    scan = scan_images(table, manifest.root, threads=request.threads, advance=advance)
    exact = find_copies(same_bytes(scan.digests, scan.readable), table)
    samples = _samples(path, request, sound=not faults)
    return Inspection(
        folder=manifest.root,
        provenance=manifest.provenance,
        counts=counts,
        labels=count_labels(table),
        texts=measure_texts(table, counter, max_tokens=request.max_tokens),
        text_unit="words" if request.tokeniser is None else "tokens",
        max_tokens=request.max_tokens,
        published=compare(counts.groups),
        preparation=read_preparation(manifest.root),
        faults=(*faults, *_unreadable(table, scan), *torn_copies(exact, table)),
        same_bytes=exact,
        same_picture=find_copies(same_picture(scan.hashes, scan.readable), table),
        samples=samples,
    )


def _unreadable(table: pa.Table, scan: Scan) -> tuple[Fault, ...]:
    """The images whose bytes are there and do not decode; those that are missing are a fault of their own."""
    rows = sorted(set(scan.rows[scan.present & ~scan.readable].tolist()))
    if not rows:
        return ()
    ids = tuple(table["id"].take(rows[:3]).to_pylist())
    mend = "prepare the data set again; the file system may be damaged"
    return (Fault(rule="images that cannot be read", mend=mend, rows=tuple(rows), ids=ids),)


def _samples(path: Path, request: InspectionRequest, *, sound: bool) -> Samples:
    if not sound:
        return Samples("None is drawn, as a training refuses a manifest with faults.", ())
    try:
        return draw_samples(path, request.recipe, count=request.samples, seed=request.seed)
    except CxrClipError as error:
        return Samples(f"None is drawn, as a training refuses this: {error}", ())
