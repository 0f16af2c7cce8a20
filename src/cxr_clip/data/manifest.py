"""The manifest: every study of a prepared data set in one Parquet file, read without loading it as objects."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cxr_clip.data.faults import Fault, find_table_faults
from cxr_clip.data.provenance import Provenance, provenance_of
from cxr_clip.errors import ManifestError
from cxr_clip.study import Box, Certainty, ImageFile, Mask, Split, Stored, Study, View

FILE_NAME = "manifest.parquet"
# The folder inside a prepared one that is there until the manifest is; it stays in a share of several machines.
UNFINISHED = "unfinished"
_ROWS_IN_GROUP = 2048

_IMAGE = pa.struct(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("view", pa.string(), nullable=False),
        pa.field("shard", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
        pa.field("height", pa.int32()),
        pa.field("width", pa.int32()),
    ]
)
_BOX = pa.struct(
    [
        pa.field("finding", pa.string(), nullable=False),
        pa.field("image", pa.int32(), nullable=False),
        *(pa.field(side, pa.float64(), nullable=False) for side in ("left", "top", "right", "bottom")),
    ]
)
_MASK = pa.struct(
    [
        pa.field("finding", pa.string(), nullable=False),
        *(pa.field(name, pa.int32(), nullable=False) for name in ("image", "height", "width")),
        pa.field("runs", pa.list_(pa.int32()), nullable=False),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("patient", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("images", pa.list_(_IMAGE), nullable=False),
        pa.field("sections", pa.map_(pa.string(), pa.string()), nullable=False),
        pa.field("findings", pa.map_(pa.string(), pa.string()), nullable=False),
        pa.field("boxes", pa.list_(_BOX), nullable=False),
        pa.field("masks", pa.list_(_MASK), nullable=False),
        pa.field("age", pa.float64()),
        pa.field("sex", pa.string()),
        pa.field("grades", pa.map_(pa.string(), pa.int32()), nullable=False),
    ]
)


class ManifestWriter:
    """Streams studies into a Parquet file, a row group at a time; the file gets its name when it is whole."""

    def __init__(self, path: Path, provenance: Provenance | None = None) -> None:
        self._path = path
        self._provenance = provenance or Provenance()
        self._partial = path.with_name(f"{path.name}.partial")
        self._waiting: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = pq.ParquetWriter(self._partial, self._provenance.kept_in(SCHEMA), compression="zstd")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        self._file.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)

    def write(self, study: Study) -> None:
        """Append one study."""
        self._waiting.append(_to_row(study))
        if len(self._waiting) >= _ROWS_IN_GROUP:
            self._flush()

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of another manifest's table. Raises ManifestError if it was prepared in another way."""
        other = provenance_of(table.schema)
        if other not in (Provenance(), self._provenance):
            raise ManifestError(
                f"{self._path} is to hold studies prepared with {self._provenance}, others were prepared with {other}: "
                "prepare them alike"
            )
        self._flush()
        self._file.write_table(_fitted(table), row_group_size=_ROWS_IN_GROUP)

    def _flush(self) -> None:
        if self._waiting:
            self._file.write_table(pa.Table.from_pylist(self._waiting, schema=SCHEMA))
            self._waiting = []


class Manifest(Sequence[Study]):
    """The studies of a prepared data set; `manifest[i]` builds one study from its row, the rest stays in Arrow.

    `root` is the folder that image shards are relative to.
    """

    def __init__(self, root: Path, table: pa.Table) -> None:
        self.root = root
        self.table = table.combine_chunks()
        self._columns = [(name, self.table.column(name)) for name in self.table.column_names]

    @property
    def provenance(self) -> Provenance:
        """How all of it was prepared. Raises ManifestError where that was by a way unknown."""
        return provenance_of(self.table.schema)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Study: ...

    @overload
    def __getitem__(self, index: slice) -> "Manifest": ...

    def __getitem__(self, index: int | slice) -> "Study | Manifest":
        if isinstance(index, slice):
            return Manifest(self.root, self.table.take(list(range(*index.indices(len(self))))))
        position = range(len(self))[index]
        return _to_study({name: column[position].as_py() for name, column in self._columns})

    def __iter__(self) -> Iterator[Study]:
        for batch in self.table.to_batches(max_chunksize=256):
            yield from map(_to_study, batch.to_pylist())

    @property
    def sources(self) -> tuple[str, ...]:
        """The data sets that the studies come from, in the order in which they first appear."""
        return tuple(pc.unique(self.table["source"]).to_pylist())

    def where(self, *, split: Split | None = None, sources: Collection[str] | None = None) -> "Manifest":
        """The studies of one split and of some sources, in the same order; None: of all."""
        table = self.table
        if split is not None:
            table = table.filter(pc.equal(table["split"], split.value))
        if sources is not None:
            table = table.filter(pc.is_in(table["source"], pa.array(sorted(sources), pa.string())))
        return Manifest(self.root, table)


def read_manifest(path: Path, *, check: bool = True) -> Manifest:
    """Open a manifest: a prepared folder, or the Parquet file in it.

    A manifest that was written before masks, or grades, were kept has none of them. Raises ManifestError if there is no
    file, if its columns are not those of SCHEMA, or (with `check`) if it has faults: missing files, unknown splits,
    views or findings, duplicate ids, a patient in two splits, studies without images, studies with nothing to say,
    boxes and masks of absent images, masks that do not fit their size, grades below 0 or of unknown findings.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        raise ManifestError(_absent(path))
    try:
        table = pq.read_table(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise ManifestError(f"{file} is no readable Parquet file ({error}): prepare the data set again") from error
    try:
        manifest = Manifest(file.parent, _fitted(table))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        wanted = ", ".join(SCHEMA.names)
        raise ManifestError(
            f"{file} has the columns {', '.join(table.column_names)}, which do not fit a manifest's ({wanted}): "
            f"prepare the data set again ({error})"
        ) from error
    faults = find_faults(manifest) if check else []
    if faults:
        raise ManifestError(f"{file} has faults. " + " ".join(str(fault) for fault in faults))
    return manifest


def _absent(path: Path) -> str:
    """The words for a path that leads to no manifest."""
    folder = path.parent if path.suffix == ".parquet" else path
    if (folder / UNFINISHED).is_dir():
        return (
            f"the preparation in {folder} is not whole yet: start its `cxr-clip prepare` again, it continues; "
            f"if it was made with --shard, bring all shares together with `cxr-clip merge FOLDER {folder} ...`"
        )
    return f"no manifest at {path}: make one with `cxr-clip prepare SOURCE RAW {folder}`"


def find_faults(manifest: Manifest) -> list[Fault]:
    """All rules that a manifest breaks, each with its rows and the mend; empty if it is sound."""
    return find_table_faults(manifest.table, manifest.root)


def _fitted(table: pa.Table) -> pa.Table:
    """The table with the columns of SCHEMA; masks and grades, which older manifests lack, are empty there."""
    names = table.column_names
    if "masks" not in names and "boxes" in names:
        none = pa.array([[]] * table.num_rows, SCHEMA.field("masks").type)
        table = table.add_column(names.index("boxes") + 1, SCHEMA.field("masks"), none)
    if "grades" not in names and "sex" in names:
        field = SCHEMA.field("grades")
        table = table.append_column(field, pa.array([[]] * table.num_rows, field.type))
    return table.cast(SCHEMA.with_metadata(table.schema.metadata))


def _to_row(study: Study) -> dict[str, Any]:
    return {
        "id": study.id,
        "patient": study.patient,
        "source": study.source,
        "split": str(study.split),
        "images": [_to_image_row(image) for image in study.images],
        "sections": list(study.sections.items()),
        "findings": [(name, str(certainty)) for name, certainty in study.findings.items()],
        "boxes": [vars(box) for box in study.boxes],
        "masks": [vars(mask) for mask in study.masks],
        "age": study.age,
        "sex": study.sex,
        "grades": list(study.grades.items()),
    }


def _to_image_row(image: ImageFile) -> dict[str, Any]:
    return {
        "path": image.path,
        "view": str(image.view),
        "shard": image.stored.shard if image.stored else None,
        "offset": image.stored.offset if image.stored else None,
        "length": image.stored.length if image.stored else None,
        "height": image.height,
        "width": image.width,
    }


def _to_study(row: dict[str, Any]) -> Study:
    return Study(
        id=row["id"],
        patient=row["patient"],
        source=row["source"],
        split=Split(row["split"]),
        images=tuple(_to_image(image) for image in row["images"]),
        sections=dict(row["sections"]),
        findings={name: Certainty(certainty) for name, certainty in row["findings"]},
        boxes=tuple(Box(**box) for box in row["boxes"]),
        masks=tuple(Mask(**{**mask, "runs": tuple(mask["runs"])}) for mask in row["masks"]),
        age=row["age"],
        sex=row["sex"],
        grades=dict(row["grades"]),
    )


def _to_image(row: dict[str, Any]) -> ImageFile:
    stored = None
    if row["shard"] is not None:
        stored = Stored(shard=row["shard"], offset=row["offset"], length=row["length"])
    return ImageFile(path=row["path"], view=View(row["view"]), stored=stored, height=row["height"], width=row["width"])
