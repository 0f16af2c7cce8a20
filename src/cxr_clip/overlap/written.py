"""What an audit leaves on disk: overlap.json with the counts, overlap.parquet with every match, overlap.html."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cxr_clip.overlap.audit import Audit, Kind, name_matches
from cxr_clip.overlap.sides import Side
from cxr_clip.whole_files import whole_file, write_whole

FIGURES, MATCHES, PAGE = "overlap.json", "overlap.parquet", "overlap.html"
_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("evaluation_study", pa.string(), nullable=False),
        pa.field("evaluation_image", pa.int32()),
        pa.field("training_manifest", pa.string(), nullable=False),
        pa.field("training_study", pa.string(), nullable=False),
        pa.field("training_image", pa.int32()),
        pa.field("distance", pa.float64(), nullable=False),
        pa.field("matches", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class KindRow:
    """One kind: how many studies of the evaluation have it, how many images of theirs, and whether it is a leak."""

    kind: str
    studies: int
    images: int | None
    leak: bool


def kind_rows(found: Audit) -> tuple[KindRow, ...]:
    """Every kind that was looked for."""
    return tuple(
        KindRow(kind.value, len(found.studies(kind)), len(hits) if kind.is_image else None, kind.is_leak)
        for kind, hits in found.hits.items()
    )


def write_audit(found: Audit, folder: Path) -> Path:
    """Write the three files, each whole or not at all; return the path of the page."""
    from cxr_clip.overlap.page import audit_html

    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FIGURES, json.dumps(audit_record(found), indent=2, ensure_ascii=False) + "\n")
    _write_matches(found, folder / MATCHES)
    return write_whole(folder / PAGE, audit_html(found))


def audit_record(found: Audit) -> Mapping[str, Any]:
    """The counts, derivations and distances as plain values; no text but examples of common ones."""
    return {
        "verdict": found.verdict,
        "training": _side_record(found.training),
        "evaluation": _side_record(found.evaluation),
        "overlapping_studies": found.overlapping,
        "kinds": [asdict(row) for row in kind_rows(found)],
        "known_derivations": [asdict(row) for row in found.derivations],
        "common_reports": [asdict(text) for text in found.common_texts],
        "near_bits": found.near_bits,
        "nearest_hash_distances": nearest_counts(found),
        "thresholds": list(found.thresholds),
        "notes": list(found.notes),
    }


def nearest_counts(found: Audit) -> dict[int, int]:
    """How many evaluated images have their nearest training image at how many bits."""
    distances = found.hash_distances[np.isfinite(found.hash_distances)].astype(np.int64)
    values, counts = np.unique(distances, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _side_record(side: Side) -> Mapping[str, Any]:
    return {
        "manifests": [str(part.folder) for part in side.parts],
        "sources": list(side.sources),
        "studies": side.studies,
        "patients": len(np.unique(side.patients)),
        "images": len(side.scan.rows),
        "images_compared": int(side.usable.sum()),
    }


def _write_matches(found: Audit, path: Path) -> None:
    """Every match, one kind after the other."""
    with whole_file(path) as partial, pq.ParquetWriter(partial, _SCHEMA, compression="zstd") as file:
        for kind in found.hits:
            rows = [asdict(match) for match in name_matches(found, Kind(kind))]
            file.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
