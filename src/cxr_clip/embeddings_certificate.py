"""The proof of a file of embeddings: some of its rows embedded again, one at a time, in single precision."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from pyarrow import dataset
from torch import Tensor

from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder
from cxr_clip.embeddings_file import IMAGE, read_about
from cxr_clip.errors import EmbeddingsFileError
from cxr_clip.whole_files import write_whole

# Evenly spaced rows of either kind.
SAMPLE = 16
# Half precision keeps numbers below 1 within 2.4e-4; products of a GPU may be a little coarser than single.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class EmbeddingsCertificate:
    """The largest difference of any number of the sampled embeddings; None where the file has no row of the kind."""

    images: float | None
    texts: float | None
    tolerance: float
    rows: tuple[str, ...]
    model: str
    sha256: str

    @property
    def largest(self) -> float:
        """The larger of both differences."""
        return max(one for one in (self.images, self.texts, 0.0) if one is not None)


def certificate_path(embeddings: Path) -> Path:
    """Where the certificate of a file lies: beside it."""
    return embeddings.with_name(f"{embeddings.name}.certificate.json")


def certify_embeddings(embedder: Embedder, manifest: Path, file: Path) -> EmbeddingsCertificate:
    """Embed some images and texts of a file again and write how far the file is from that.

    Raises EmbeddingsFileError where that is more than TOLERANCE.
    """
    kinds = read_about(file).column("kind").to_numpy()
    images, texts = (_spaced(np.flatnonzero((kinds == IMAGE) == wanted)) for wanted in (True, False))
    rows = dataset.dataset(file).take(pa.array([*images, *texts])).to_pylist()
    studies = _studies(read_manifest(manifest), rows)
    certificate = EmbeddingsCertificate(
        images=_difference([_image(embedder, studies, row) for row in rows[: len(images)]], rows[: len(images)]),
        texts=_difference([embedder.embed_texts([row["text"]])[0] for row in rows[len(images) :]], rows[len(images) :]),
        tolerance=TOLERANCE,
        rows=tuple(row["id"] for row in rows),
        model=embedder.fingerprint,
        sha256=_sha256(file),
    )
    if any(one is not None and not one <= TOLERANCE for one in (certificate.images, certificate.texts)):
        raise EmbeddingsFileError(
            f"{file} differs from embeddings made one at a time by {certificate.images} (images) and "
            f"{certificate.texts} (texts), {TOLERANCE} is allowed: delete it and embed again"
        )
    write_whole(certificate_path(file), json.dumps({"format": 1, **asdict(certificate)}, indent=2) + "\n")
    return certificate


def _spaced(rows: np.ndarray) -> list[int]:
    return [int(rows[at]) for at in np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int))]


def _studies(manifest: Manifest, rows: Sequence[Mapping[str, Any]]) -> Manifest:
    """The studies that rows are of."""
    wanted = pa.array(sorted({row["study_id"] for row in rows}), pa.string())
    return Manifest(manifest.root, manifest.table.filter(pc.is_in(manifest.table["id"], wanted)))


def _image(embedder: Embedder, studies: Manifest, row: Mapping[str, Any]) -> Tensor:
    study = next(one for one in studies if (one.id, one.source) == (row["study_id"], row["source"]))
    picture = ImageStore(studies.root).read(study.images[row["number"]])
    return embedder.encoder.embed_squares([embedder.encoder.square(picture)])[0]


def _difference(again: Sequence[Tensor], rows: Sequence[Mapping[str, Any]]) -> float | None:
    if not again:
        return None
    kept = torch.from_numpy(np.array([row["embedding"] for row in rows], dtype=np.float32))
    return float((torch.stack(list(again)) - kept).abs().max())


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
