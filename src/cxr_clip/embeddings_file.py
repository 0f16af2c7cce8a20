"""Embeddings on disk: a Parquet file with a row for each image and text of a manifest (docs/search-and-embed.md).

The file says itself which model and which manifest it is of. It holds report texts and patient numbers as the manifest
does, and is to be kept as carefully.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float
from torch import Tensor

from cxr_clip.errors import EmbeddingsFileError
from cxr_clip.study import Certainty, ImageFile, Split, Study
from cxr_clip.whole_files import whole_file

IMAGE = "image"
FORMAT = 1
Precision = Literal["float16", "float32"]
_ORIGIN = b"cxr_clip.embeddings"
_STORED = {"float16": pa.float16(), "float32": pa.float32()}
_ROWS_IN_GROUP = 8192
# Columns whose values repeat.
_REPEATED = ("patient", "source", "split", "kind", "view", "findings.list.element")
ABOUT = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("id", "study_id", "patient", "source", "split")),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("number", pa.int32(), nullable=False),
        *(pa.field(name, pa.string()) for name in ("view", "path", "text")),
        pa.field("findings", pa.list_(pa.string()), nullable=False),
    ]
)


@dataclass(frozen=True)
class EmbeddingOrigin:
    """What embeddings were made from, and how.

    `model` is the number of everything that decides an embedding (`Embedder.fingerprint`), `manifest` the SHA-256 of
    the manifest file, `split` the part of it (absent: all), `recipe` the name of the model's recipe.
    """

    model: str
    manifest: str
    recipe: str
    dim: int
    precision: Precision = "float16"
    split: Split | None = None
    format: int = FORMAT


@dataclass(frozen=True)
class EmbeddedThing:
    """An image or a text of a study: what a row is about.

    `kind` is "image" or the name of a report section, `number` that of the image in its study (0 for a text).
    """

    study: Study
    kind: str
    number: int = 0
    image: ImageFile | None = None
    text: str | None = None


@dataclass(frozen=True)
class Embeddings:
    """Unit-length embeddings in single precision; row i belongs to `ids[i]` and to row i of the table `about`.

    `about` has the columns of ABOUT: id, study_id, patient, source, split, kind, number, view, path, text, findings.
    """

    values: Float[Tensor, "rows dim"]
    about: pa.Table
    origin: EmbeddingOrigin

    @property
    def ids(self) -> tuple[str, ...]:
        """The name of each row: study, kind and number, as in "s17/image/0"."""
        return tuple(self.about.column("id").to_pylist())


def embeddings_table(
    things: Sequence[EmbeddedThing], values: Float[Tensor, "rows dim"], origin: EmbeddingOrigin
) -> pa.Table:
    """Return the rows of a file, one for each of `things`."""
    about = pa.Table.from_pylist([_about(thing) for thing in things], schema=ABOUT)
    numbers = pa.array(values.numpy(force=True).astype(origin.precision).reshape(-1), _STORED[origin.precision])
    embedding = _schema(origin).field("embedding")
    return about.append_column(embedding, pa.FixedSizeListArray.from_arrays(numbers, type=embedding.type))


def write_embeddings(path: Path, tables: Sequence[pa.Table], origin: EmbeddingOrigin) -> None:
    """Write a file of the rows of `tables`, whole or not at all."""
    with _writer(path, origin) as write:
        for table in tables:
            write(table)


def join_embeddings(path: Path, parts: Sequence[Path], origin: EmbeddingOrigin) -> None:
    """Write one file with the rows of several, in their order; it takes the memory of one of them."""
    with _writer(path, origin) as write:
        for part in parts:
            write(pq.read_table(part))


def read_embeddings(path: Path, *, kind: str | None = None, split: Split | None = None) -> Embeddings:
    """Read a file, or its rows of one kind ("image", "findings", "impression", ...) and one split.

    Raises EmbeddingsFileError where the file is absent, is no such file, or is of a later version.
    """
    origin = read_origin(path)
    wanted = [(name, "=", value) for name, value in (("kind", kind), ("split", split)) if value is not None]
    try:
        table = pq.read_table(path, filters=wanted or None)
    except (pa.ArrowInvalid, OSError) as error:
        raise EmbeddingsFileError(f"{path} is damaged ({error}): make it again") from error
    chunks = [np.asarray(chunk.flatten()) for chunk in table.column("embedding").chunks]
    numbers = np.concatenate([np.empty(0, np.float32), *chunks], dtype=np.float32, casting="same_kind")
    return Embeddings(
        values=torch.from_numpy(numbers.reshape(-1, origin.dim)),
        about=table.drop_columns(["embedding"]).cast(ABOUT),
        origin=origin,
    )


def read_about(path: Path) -> pa.Table:
    """Read what the rows of a file are about, without the embeddings. Raises EmbeddingsFileError."""
    read_origin(path)
    return pq.read_table(path, columns=ABOUT.names)


def read_origin(path: Path) -> EmbeddingOrigin:
    """Read what the embeddings of a file were made from, without them. Raises EmbeddingsFileError."""
    if not path.is_file():
        raise EmbeddingsFileError(f"no embeddings at {path}: make them with `cxr-clip embed RUN MANIFEST {path}`")
    try:
        said = (pq.read_schema(path).metadata or {}).get(_ORIGIN)
    except (pa.ArrowInvalid, OSError) as error:
        raise EmbeddingsFileError(f"{path} is no readable Parquet file ({error}): make it again") from error
    if said is None:
        raise EmbeddingsFileError(f"{path} is not a file of embeddings: give one that `cxr-clip embed` wrote")
    return origin_of(said.decode(), where=path)


def origin_of(text: str, *, where: Path) -> EmbeddingOrigin:
    """Parse an origin as `origin_as_text` writes it. Raises EmbeddingsFileError."""
    try:
        values = json.loads(text)
        if values["format"] != FORMAT:
            raise EmbeddingsFileError(
                f"{where} has format {values['format']}, this version of cxr-clip reads {FORMAT}: install the version "
                "that wrote it, or make it again"
            )
        split = Split(values["split"]) if values["split"] is not None else None
        return EmbeddingOrigin(**{**values, "split": split})
    except (ValueError, KeyError, TypeError) as error:
        raise EmbeddingsFileError(f"{where} does not say what it was made from ({error}): make it again") from error


def origin_as_text(origin: EmbeddingOrigin) -> str:
    """The origin as JSON."""
    return json.dumps(asdict(origin), indent=1)


def refuse_other_origin(there: EmbeddingOrigin, asked: EmbeddingOrigin, *, where: Path) -> None:
    """Raise EmbeddingsFileError where embeddings that are there already were not made from what is asked for."""
    differ = [
        f"{name} ({_shown(value)} there, {_shown(getattr(asked, name))} asked)"
        for name, value in asdict(there).items()
        if value != getattr(asked, name)
    ]
    if differ:
        raise EmbeddingsFileError(
            f"{where} has embeddings of another {', '.join(differ)}: give another name for the file, or delete that one"
        )


def _shown(value: object) -> str:
    """A value as people can compare it: of a long number its start, and "all" for a split that is absent."""
    return "all" if value is None else str(value)[:12]


@contextmanager
def _writer(path: Path, origin: EmbeddingOrigin) -> Iterator[Callable[[pa.Table], None]]:
    """What writes tables to a file that gets its name when it is whole."""
    schema = _schema(origin)
    with (
        whole_file(path) as partial,
        pq.ParquetWriter(partial, schema, compression="zstd", use_dictionary=list(_REPEATED)) as file,
    ):
        yield lambda table: file.write_table(table.cast(schema), row_group_size=_ROWS_IN_GROUP)


def _schema(origin: EmbeddingOrigin) -> pa.Schema:
    embedding = pa.field("embedding", pa.list_(_STORED[origin.precision], origin.dim), nullable=False)
    return ABOUT.append(embedding).with_metadata({_ORIGIN: origin_as_text(origin).encode()})


def _about(thing: EmbeddedThing) -> Mapping[str, object]:
    study, image = thing.study, thing.image
    return {
        "id": f"{study.id}/{thing.kind}/{thing.number}",
        "study_id": study.id,
        "patient": study.patient,
        "source": study.source,
        "split": study.split.value,
        "kind": thing.kind,
        "number": thing.number,
        "view": image.view.value if image else None,
        "path": image.path if image else None,
        "text": thing.text,
        "findings": [name for name, said in study.findings.items() if said is Certainty.POSITIVE],
    }
