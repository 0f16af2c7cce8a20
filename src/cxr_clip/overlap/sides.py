"""One side of an audit: the studies of one or more manifests as plain arrays, and their images by number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.data.scan import Scan
from cxr_clip.data.store import ImageStore
from cxr_clip.overlap.derivations import patients_of
from cxr_clip.overlap.hits import keys_of
from cxr_clip.overlap.near_hashes import usable_hashes
from cxr_clip.overlap.nearest import Advance, after
from cxr_clip.overlap.reports import Reports, read_reports
from cxr_clip.overlap.scan_cache import scanned
from cxr_clip.study import Split

_SAMPLE = 2000


@dataclass(frozen=True)
class Part:
    """The studies of one manifest that take part."""

    folder: Path
    manifest: Manifest


@dataclass(frozen=True)
class Side:
    """The studies of several manifests in one order; rows are numbered through, images too.

    `patients` are keys of the name of a patient and of whose name it is; `scan.rows` says whose an image is.
    """

    parts: tuple[Part, ...]
    scan: Scan
    patients: NDArray[np.uint64]
    reports: Reports

    @property
    def studies(self) -> int:
        """How many there are."""
        return len(self.patients)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which images could be read and show something."""
        return usable_hashes(self.scan.hashes, self.scan.readable)

    @property
    def sample(self) -> NDArray[np.int64]:
        """Some usable images, evenly spread: they show how far images of different patients lie apart."""
        numbers = np.flatnonzero(self.usable)
        return numbers[:: -(-len(numbers) // _SAMPLE) or 1]

    @property
    def patients_of_images(self) -> NDArray[np.uint64]:
        """The key of the patient of each image."""
        return self.patients[self.scan.rows]

    @property
    def sources(self) -> tuple[str, ...]:
        """The data sets that the studies come from."""
        return tuple(
            sorted({name for part in self.parts for name in pc.unique(part.manifest.table["source"]).to_pylist()})
        )

    @property
    def salts(self) -> frozenset[str | None]:
        """The salts that ids are hashed with; None for ids that are not."""
        return frozenset(part.manifest.provenance.hashed_ids for part in self.parts)

    @property
    def tables(self) -> Iterator[pa.Table]:
        """The table of each part."""
        return (part.manifest.table for part in self.parts)

    def study(self, row: int) -> tuple[Part, int]:
        """The part that a study is in, and its place there."""
        for part in self.parts:
            if row < len(part.manifest):
                return part, row
            row -= len(part.manifest)
        raise IndexError(row)

    def name(self, row: int) -> str:
        """The id of a study."""
        part, place = self.study(row)
        return str(part.manifest.table["id"][place].as_py())

    def place(self, image: int) -> tuple[int, int]:
        """The row of an image's study, and the image's number in that study."""
        row = int(self.scan.rows[image])
        return row, image - int(np.searchsorted(self.scan.rows, row))

    def picture(self, image: int) -> NDArray[np.uint8]:
        """Read one image. Raises ImageError."""
        row, number = self.place(image)
        part, place = self.study(row)
        return self._stores[part.folder].read(part.manifest[place].images[number])

    @cached_property
    def _stores(self) -> dict[Path, ImageStore]:
        return {part.folder: ImageStore(part.manifest.root) for part in self.parts}


def open_parts(folders: Sequence[Path], splits: Sequence[Split]) -> tuple[Part, ...]:
    """The studies of some splits of some manifests. Raises ManifestError where one is absent."""
    return tuple(Part(folder, _of_splits(read_manifest(folder, check=False), splits)) for folder in folders)


def read_side(
    parts: Sequence[Part], *, threads: int, cache: Path | None = None, advance: Advance | None = None
) -> Side:
    """Read all images and reports of the parts; `advance` hears how many of how many images are read.

    `cache`: a folder of scans, so that images that were read for another audit are not read again.
    """
    tables = [part.manifest.table for part in parts]
    total = sum(int(pc.sum(pc.list_value_length(table["images"])).as_py() or 0) for table in tables)
    scans: list[Scan] = []
    for part in parts:
        before = sum(len(scan.rows) for scan in scans)
        counted = after(advance, before, total)
        scans.append(scanned(part.manifest.table, part.manifest.root, threads=threads, cache=cache, advance=counted))
    starts = np.cumsum([0, *(table.num_rows for table in tables)])
    reports = [read_reports(table) for table in tables]
    return Side(
        parts=tuple(parts),
        scan=Scan(
            rows=np.concatenate([scan.rows + start for scan, start in zip(scans, starts, strict=False)]),
            present=np.concatenate([scan.present for scan in scans]),
            readable=np.concatenate([scan.readable for scan in scans]),
            digests=np.concatenate([scan.digests for scan in scans]),
            hashes=np.concatenate([scan.hashes for scan in scans]),
        ),
        patients=np.concatenate([_patient_keys(part.manifest) for part in parts]),
        reports=Reports(np.concatenate([one.keys for one in reports]), np.concatenate([one.words for one in reports])),
    )


def _of_splits(manifest: Manifest, splits: Sequence[Split]) -> Manifest:
    kept = pc.is_in(manifest.table["split"], pa.array([split.value for split in splits], pa.string()))
    return Manifest(manifest.root, manifest.table.filter(kept))


def _patient_keys(manifest: Manifest) -> NDArray[np.uint64]:
    """Names that were hashed with a salt equal only those hashed with the same one."""
    salt = manifest.provenance.hashed_ids or ""
    table = manifest.table
    owner = {source: patients_of(source) for source in pc.unique(table["source"]).to_pylist()}
    pairs = zip(table["source"].to_pylist(), table["patient"].to_pylist(), strict=True)
    return keys_of(f"{salt}\0{owner[source]}\0{patient}" for source, patient in pairs)
