"""A file of embeddings gives back its rows, says what it is of, and is whole or absent."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from cxr_clip.data.manifest import read_manifest
from cxr_clip.embeddings_file import (
    IMAGE,
    EmbeddedThing,
    EmbeddingOrigin,
    Precision,
    embeddings_table,
    join_embeddings,
    read_embeddings,
    read_origin,
    write_embeddings,
)
from cxr_clip.errors import EmbeddingsFileError
from cxr_clip.study import Split
from support_data import write_tiny_manifest

DIM = 6


def origin(precision: Precision = "float32", split: Split | None = None) -> EmbeddingOrigin:
    return EmbeddingOrigin(model="a1", manifest="b2", recipe="tiny", dim=DIM, precision=precision, split=split)


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> list[EmbeddedThing]:
    studies = read_manifest(write_tiny_manifest(tmp_path_factory.mktemp("manifest"), train=4, validate=2, test=2))
    rows = []
    for study in studies:
        rows += [EmbeddedThing(study, IMAGE, number, image=image) for number, image in enumerate(study.images)]
        rows += [EmbeddedThing(study, name, text=text) for name, text in study.sections.items()]
    return rows


def unit(rows: int, seed: int = 0) -> torch.Tensor:
    values = torch.randn(rows, DIM, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(values, dim=1)


@pytest.mark.parametrize(("precision", "error"), [("float32", 0.0), ("float16", 5e-4)])
def test_what_is_written_is_read(
    things: list[EmbeddedThing], tmp_path: Path, precision: Precision, error: float
) -> None:
    values, path = unit(len(things)), tmp_path / "folder" / "all.parquet"
    write_embeddings(path, [embeddings_table(things, values, origin(precision))], origin(precision))
    found = read_embeddings(path)
    assert found.origin == origin(precision)
    torch.testing.assert_close(found.values, values, rtol=0, atol=error)
    assert found.values.dtype == torch.float32
    assert len(set(found.ids)) == len(things)
    assert found.ids[:2] == ("train-0/image/0", "train-0/findings/0")
    rows = found.about.to_pylist()
    for row, thing in zip(rows, things, strict=True):
        assert (row["study_id"], row["patient"], row["split"]) == (
            thing.study.id,
            thing.study.patient,
            thing.study.split.value,
        )
        assert row["text"] == thing.text
        assert row["path"] == (thing.image.path if thing.image else None)
        assert row["view"] == (thing.image.view.value if thing.image else None)
    assert rows[0]["findings"] == ["Pleural Effusion"]


def test_a_kind_and_a_split_are_read_alone(things: list[EmbeddedThing], tmp_path: Path) -> None:
    values, path = unit(len(things)), tmp_path / "all.parquet"
    write_embeddings(path, [embeddings_table(things, values, origin("float16"))], origin("float16"))
    rows = [
        row for row, thing in enumerate(things) if thing.kind == "impression" and thing.study.split is Split.VALIDATE
    ]
    found = read_embeddings(path, kind="impression", split=Split.VALIDATE)
    assert found.ids == tuple(f"{things[row].study.id}/impression/0" for row in rows)
    torch.testing.assert_close(found.values, values[rows], rtol=0, atol=5e-4)
    assert read_embeddings(path, kind="history").values.shape == (0, DIM)


def test_parts_are_joined_in_their_order(things: list[EmbeddedThing], tmp_path: Path) -> None:
    values, parts = unit(len(things)), [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    cuts = (slice(0, 3), slice(3, 3), slice(3, None))
    for part, cut in zip(parts, cuts, strict=True):
        write_embeddings(part, [embeddings_table(things[cut], values[cut], origin())], origin())
    join_embeddings(tmp_path / "joined.parquet", parts, origin())
    found = read_embeddings(tmp_path / "joined.parquet")
    assert torch.equal(found.values, values)
    assert [name.split("/")[0] for name in found.ids] == [thing.study.id for thing in things]


def test_a_file_that_fails_leaves_nothing(things: list[EmbeddedThing], tmp_path: Path) -> None:
    whole = embeddings_table(things, unit(len(things)), origin())
    with pytest.raises(ValueError, match="schema"):
        write_embeddings(tmp_path / "all.parquet", [whole, whole.drop_columns(["view"])], origin())
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_of_embeddings_is_told(things: list[EmbeddedThing], tmp_path: Path) -> None:
    with pytest.raises(EmbeddingsFileError, match="make them with `cxr-clip embed RUN MANIFEST"):
        read_embeddings(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(EmbeddingsFileError, match="no readable Parquet file"):
        read_origin(tmp_path / "text.parquet")
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(EmbeddingsFileError, match="is not a file of embeddings"):
        read_origin(tmp_path / "other.parquet")


def test_another_format_and_a_damaged_file_are_told(things: list[EmbeddedThing], tmp_path: Path) -> None:
    later = EmbeddingOrigin(model="a1", manifest="b2", recipe="tiny", dim=DIM, precision="float32", format=2)
    path = tmp_path / "all.parquet"
    write_embeddings(path, [embeddings_table(things, unit(len(things)), later)], later)
    with pytest.raises(EmbeddingsFileError, match="has format 2, this version of cxr-clip reads 1"):
        read_origin(path)
    odd = pa.schema([pa.field("id", pa.string())]).with_metadata({"cxr_clip.embeddings": '{"format": 1}'})
    pq.write_table(pa.table({"id": ["a"]}, schema=odd), tmp_path / "odd.parquet")
    with pytest.raises(EmbeddingsFileError, match="does not say what it was made from"):
        read_origin(tmp_path / "odd.parquet")
    write_embeddings(path, [embeddings_table(things, unit(len(things)), origin())], origin())
    data = bytearray(path.read_bytes())
    data[4:2000] = bytes(1996)
    path.write_bytes(data)
    with pytest.raises(EmbeddingsFileError, match="is damaged"):
        read_embeddings(path)
