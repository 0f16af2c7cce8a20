"""A model and a manifest in, one file of embeddings out: in parts that are whole or absent, by one or several workers.

Part n has the same studies however many workers there are, so that a stopped run continues with more or fewer.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.data.manifest import FILE_NAME, Manifest, read_manifest
from cxr_clip.data.reports import REPORT_SECTIONS
from cxr_clip.data.store import ImageStore
from cxr_clip.distributed import SINGLE, Workers, gather_objects, refuse_disagreement
from cxr_clip.embed import BATCH, Embedder
from cxr_clip.embeddings_file import (
    IMAGE,
    EmbeddedThing,
    EmbeddingOrigin,
    Precision,
    embeddings_table,
    join_embeddings,
    origin_as_text,
    origin_of,
    read_origin,
    refuse_other_origin,
    write_embeddings,
)
from cxr_clip.errors import EmbeddingInputError, EmbeddingsFileError, ImageError
from cxr_clip.read_ahead import read_ahead
from cxr_clip.study import Split, Study
from cxr_clip.whole_files import write_whole

STUDIES_IN_PART = 512
_ORIGIN = "origin.json"
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class EmbedRequest:
    """What to embed: a manifest, or one split of it; and how precisely to keep the embeddings."""

    manifest: Path
    split: Split | None = None
    precision: Precision = "float16"
    studies_in_part: int = STUDIES_IN_PART


@dataclass(frozen=True)
class Part:
    """Some studies that follow each other in a manifest, and the file that their embeddings go to."""

    studies: slice
    file: Path


def embed_manifest(
    embedder: Embedder,
    request: EmbedRequest,
    out: Path,
    *,
    workers: Workers = SINGLE,
    threads: int | None = None,
    advance: Advance | None = None,
) -> EmbeddingOrigin:
    """Embed every image and report section of a manifest, or of one split, into the file `out`.

    Parts wait in the folder `<out>.parts` until all are there; the same call continues from them. `threads` read
    images (absent: one for each core); `advance` is told how many of how many images of this worker are done. All
    `workers` call this; each has its own parts.

    Raises ManifestError; EmbeddingsFileError where `out` or its parts are of another model, manifest or request; and
    EmbeddingInputError where an image cannot be read.
    """
    studies, origin = _studies(request), _origin(embedder, request)
    done, folder = _is_done(out, origin), out.with_name(f"{out.name}.parts")
    # All have looked then, so the files may change.
    refuse_disagreement("what is to be embedded", (origin, done), workers, mend="give all the same files")
    if not done:
        parts = _parts(len(studies), folder, request.studies_in_part)
        if workers.leads:
            _begin(folder, origin)
        gather_objects("begun", workers)
        missing = [part for part in parts if not part.file.is_file()]
        gather_objects("counted", workers)
        own = missing[workers.rank :: workers.count]
        _embed_parts(embedder, studies, own, origin, threads=threads, advance=advance)
        gather_objects("embedded", workers)
        if workers.leads:
            _join(parts, out, origin)
    if workers.leads:
        shutil.rmtree(folder, ignore_errors=True)
    return origin


def _studies(request: EmbedRequest) -> Manifest:
    manifest = read_manifest(request.manifest)
    studies = manifest if request.split is None else manifest.where(split=request.split)
    if not len(studies):
        part = f"the split {request.split.value!r}" if request.split else "it"
        raise EmbeddingsFileError(f"{request.manifest} has no study in {part}: choose another")
    return studies


def _origin(embedder: Embedder, request: EmbedRequest) -> EmbeddingOrigin:
    file = request.manifest / FILE_NAME if request.manifest.is_dir() else request.manifest
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return EmbeddingOrigin(
        model=embedder.fingerprint,
        manifest=digest,
        recipe=embedder.recipe.name,
        dim=embedder.dim,
        precision=request.precision,
        split=request.split,
    )


def _is_done(out: Path, origin: EmbeddingOrigin) -> bool:
    if not out.exists():
        return False
    refuse_other_origin(read_origin(out), origin, where=out)
    return True


def _begin(folder: Path, origin: EmbeddingOrigin) -> None:
    """Make the folder of parts, or check that the one that is there belongs to the same request."""
    file = folder / _ORIGIN
    if file.is_file():
        refuse_other_origin(origin_of(file.read_text("utf-8"), where=file), origin, where=folder)
        return
    write_whole(file, origin_as_text(origin))


def _join(parts: Sequence[Part], out: Path, origin: EmbeddingOrigin) -> None:
    absent = [part.file for part in parts if not part.file.is_file()]
    if absent:
        raise EmbeddingsFileError(
            f"{absent[0]} and {len(absent) - 1} more parts are not here: all workers need the same folder; put {out} "
            "where all machines see it"
        )
    join_embeddings(out, [part.file for part in parts], origin)


def _parts(studies: int, folder: Path, size: int) -> list[Part]:
    starts = range(0, studies, size)
    return [
        Part(slice(start, min(start + size, studies)), folder / f"{size}-{number:06}.parquet")
        for number, start in enumerate(starts)
    ]


def _embed_parts(
    embedder: Embedder,
    studies: Manifest,
    parts: Sequence[Part],
    origin: EmbeddingOrigin,
    *,
    threads: int | None,
    advance: Advance | None,
) -> None:
    store = ImageStore(studies.root)
    counts = pc.list_value_length(studies.table["images"]).to_numpy()
    progress = _Progress(int(sum(counts[part.studies].sum() for part in parts)), advance)
    for part in parts:
        table = _embedded(embedder, list(studies[part.studies]), store, origin, threads=threads, progress=progress)
        write_embeddings(part.file, [table], origin)


class _Progress:
    """Counts what is done and tells `advance`."""

    def __init__(self, total: int, advance: Advance | None) -> None:
        self._total, self._done, self._advance = total, 0, advance

    def add(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        if self._advance is not None:
            self._advance(self._done, self._total)


def _embedded(
    embedder: Embedder,
    studies: Sequence[Study],
    store: ImageStore,
    origin: EmbeddingOrigin,
    *,
    threads: int | None,
    progress: _Progress,
) -> pa.Table:
    """The rows of some studies: the images of each, then its texts."""
    things = [thing for study in studies for thing in _things(study)]
    values = torch.empty(len(things), origin.dim)
    images = [row for row, thing in enumerate(things) if thing.kind == IMAGE]
    texts = [row for row, thing in enumerate(things) if thing.kind != IMAGE]
    values[texts] = _embed_texts(embedder, [things[row].text or "" for row in texts])
    read, begun = partial(_square, embedder, store), 0
    for squares in read_ahead(read, [things[row] for row in images], batch=BATCH, threads=threads):
        values[images[begun : begun + len(squares)]] = embedder.encoder.embed_squares(squares)
        begun += len(squares)
        progress.add(len(squares))
    return embeddings_table(things, values, origin)


def _things(study: Study) -> list[EmbeddedThing]:
    return [
        *(EmbeddedThing(study, IMAGE, number, image=image) for number, image in enumerate(study.images)),
        *(EmbeddedThing(study, name, text=study.sections[name]) for name in REPORT_SECTIONS if name in study.sections),
    ]


def _square(embedder: Embedder, store: ImageStore, thing: EmbeddedThing) -> NDArray[np.uint8]:
    assert thing.image is not None
    try:
        return embedder.encoder.square(store.read(thing.image))
    except ImageError as error:
        study = thing.study
        raise EmbeddingInputError(f"study {study.id!r} of {study.source}: {error}") from error


def _embed_texts(embedder: Embedder, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
    """Embed each different text once: normal reports repeat."""
    number_of = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return embedder.embed_texts(list(number_of))[[number_of[text] for text in texts]]
