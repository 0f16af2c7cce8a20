"""An index in a folder finds what plain numpy finds, changes whole or not at all, and says what is wrong with it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from cxr_clip.embeddings_file import (
    IMAGE,
    EmbeddedThing,
    EmbeddingOrigin,
    Embeddings,
    embeddings_table,
    read_embeddings,
    write_embeddings,
)
from cxr_clip.errors import MissingPackageError, OutputError, SearchIndexError
from cxr_clip.search import folder_index
from cxr_clip.search.folder_index import FolderIndex, build_index
from cxr_clip.search.nearest import nearest_studies
from cxr_clip.search.vector_index import Wanted
from cxr_clip.study import Certainty, ImageFile, Split, Study, View
from support_programs import environment

DIM = 16
ANY = Wanted(kinds=())


def things(first: int, count: int) -> list[EmbeddedThing]:
    """For each study a frontal and a lateral image and a text."""
    rows = []
    for number in range(first, first + count):
        study = Study(
            id=f"s{number:03}",
            patient=f"p{number // 2}",
            source="one" if number % 3 else "two",
            split=Split.TEST if number % 4 == 0 else Split.TRAIN,
            images=(ImageFile("a.png", View.PA), ImageFile("b.png", View.LATERAL)),
            sections={"findings": f"Report {number}."},
            findings={"Edema": Certainty.POSITIVE} if number % 5 == 0 else {"Edema": Certainty.NEGATIVE},
        )
        rows += [EmbeddedThing(study, IMAGE, place, image=image) for place, image in enumerate(study.images)]
        rows.append(EmbeddedThing(study, "findings", text=study.sections["findings"]))
    return rows


def embeddings(folder: Path, first: int = 0, count: int = 60, *, model: str = "a1", seed: int = 0) -> Embeddings:
    rows = things(first, count)
    values = torch.randn(len(rows), DIM, generator=torch.Generator().manual_seed(seed))
    origin = EmbeddingOrigin(model=model, manifest="b2", recipe="tiny", dim=DIM)
    write_embeddings(folder / "e", [embeddings_table(rows, functional.normalize(values, dim=1), origin)], origin)
    return read_embeddings(folder / "e")


def query(seed: int = 9) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=DIM)
    return (values / np.linalg.norm(values)).astype(np.float32)


def brute(all_of: Embeddings, asked: np.ndarray, top: int) -> list[tuple[str, float]]:
    scores = all_of.values.numpy() @ asked
    return sorted(zip(all_of.ids, scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))[:top]


def found(index: FolderIndex, asked: np.ndarray, top: int, wanted: Wanted = ANY) -> list[str]:
    return [hit.id for hit in index.search(asked, top=top, wanted=wanted)]


@pytest.mark.parametrize("exact_rows", [1000, 10], ids=["exact", "lists"])
def test_it_finds_what_numpy_finds(tmp_path: Path, exact_rows: int) -> None:
    rows = embeddings(tmp_path)
    index = build_index(tmp_path / "index", rows, exact_rows=exact_rows)
    assert index.files.kind == ("exact" if exact_rows > len(rows.ids) else "lists")
    hits = index.search(query(), top=12, wanted=ANY)
    expected = brute(rows, query(), 12)
    np.testing.assert_allclose([hit.score for hit in hits], [score for _, score in expected], atol=0.02)
    if index.files.kind == "exact":
        assert [hit.id for hit in hits] == [name for name, _ in expected]
    else:
        assert index.files.probing is not None
        assert index.files.probing.recall >= 0.9
        assert len({hit.id for hit in hits} & {name for name, _ in expected}) >= 10
    assert hits[0].report == f"Report {int(hits[0].study_id[1:])}."


@pytest.mark.parametrize(
    ("wanted", "keeps"),
    [
        (Wanted(), lambda row: row["kind"] == IMAGE),
        (Wanted(kinds=(), sources=("two",)), lambda row: row["source"] == "two"),
        (Wanted(kinds=(), splits=("test",)), lambda row: row["split"] == "test"),
        (Wanted(views=("lateral",)), lambda row: row["view"] == "lateral"),
        (Wanted(kinds=(), patients=("p3", "p4")), lambda row: row["patient"] in ("p3", "p4")),
        (Wanted(kinds=(), findings=("Edema",)), lambda row: row["findings"] == ["Edema"]),
        (Wanted(kinds=(), without=("s000", "s001")), lambda row: row["study_id"] not in ("s000", "s001")),
    ],
)
@pytest.mark.parametrize("exact_rows", [1000, 10], ids=["exact", "lists"])
def test_filters_keep_what_they_name(tmp_path: Path, exact_rows: int, wanted: Wanted, keeps: object) -> None:
    rows = embeddings(tmp_path)
    index = build_index(tmp_path / "index", rows, exact_rows=exact_rows)
    expected = {row["id"] for row in rows.about.to_pylist() if keeps(row)}
    assert 0 < len(expected) < len(rows.ids)
    assert set(found(index, query(), 1000, wanted)) == expected
    assert found(index, query(), 5, Wanted(sources=("absent",))) == []


@pytest.mark.parametrize("exact_rows", [1000, 10], ids=["exact", "lists"])
def test_rows_come_and_go(tmp_path: Path, exact_rows: int) -> None:
    rows, more = embeddings(tmp_path), embeddings(tmp_path, 55, 20, seed=1)  # five studies are known
    index = build_index(tmp_path / "index", rows, exact_rows=exact_rows)
    index.add(more)
    assert index.count() == 75 * 3
    gone = index.ids_of(patients=["p0"], studies=["s070"])
    assert len(gone) == 9
    assert index.delete(gone) == 9
    assert index.delete(gone) == 0
    index.add(embeddings(tmp_path, 0, 1, seed=2))
    again = FolderIndex(tmp_path / "index")
    assert again.count() == 75 * 3 - 6
    assert len(list((tmp_path / "index").iterdir())) == 4  # vectors, rows, manifest.json and the lock
    latest = {**dict(zip(rows.ids, rows.values, strict=True)), **dict(zip(more.ids, more.values, strict=True))}
    for name in ("s030/image/1", "s057/image/0", "s074/findings/0"):
        (hit, *_) = again.search(latest[name].numpy(), top=1, wanted=ANY)
        assert hit.id == name
        assert hit.score == pytest.approx(1, abs=0.02)


def test_a_hit_has_the_texts_of_its_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_index, "_ROWS_IN_GROUP", 7)  # a study's rows lie in one group or in two
    index = build_index(tmp_path / "index", embeddings(tmp_path))
    hits = index.search(query(), top=180, wanted=ANY)
    assert [hit.report for hit in hits] == [f"Report {int(hit.study_id[1:])}." for hit in hits]
    assert [hit.id for hit in nearest_studies(index, query(), top=1)] == found(index, query(), 1, Wanted())


def test_ties_come_by_their_ids(tmp_path: Path) -> None:
    rows = embeddings(tmp_path)
    same = Embeddings(rows.values[:1].expand(len(rows.ids), DIM).contiguous(), rows.about, rows.origin)
    index = build_index(tmp_path / "index", same)
    assert found(index, query(), 7) == sorted(rows.ids)[:7]
    assert [hit.study_id for hit in nearest_studies(index, query(), top=50)] == [f"s{n:03}" for n in range(50)]


def test_a_study_is_the_mean_of_its_images(tmp_path: Path) -> None:
    rows = embeddings(tmp_path)
    mean = functional.normalize(rows.values[6:8].sum(dim=0), dim=0).numpy()
    for exact_rows in (1000, 10):
        index = build_index(tmp_path / str(exact_rows), rows, exact_rows=exact_rows)
        np.testing.assert_allclose(index.embedding_of("s002"), mean, atol=0.02)
    with pytest.raises(SearchIndexError, match="no image of study 'x' is in"):
        index.embedding_of("x")


KILLED = """
import os, sys
from pathlib import Path
from cxr_clip.embeddings_file import read_embeddings
from cxr_clip.search import folder_index
folder_index.publish = lambda *_: os._exit(9)
folder_index.FolderIndex(Path(sys.argv[1])).add(read_embeddings(Path(sys.argv[2])))
"""


def test_killed_between_writes_the_old_index_opens(tmp_path: Path) -> None:
    rows, folder = embeddings(tmp_path), tmp_path / "index"
    before = found(build_index(folder, rows), query(), 9)
    more = embeddings(tmp_path, 60, 5, seed=1)
    program = [sys.executable, "-c", KILLED, str(folder), str(tmp_path / "e")]
    assert subprocess.run(program, env=environment(), check=False, timeout=120).returncode == 9
    assert len(list(folder.iterdir())) == 6  # new files that nothing names
    index = FolderIndex(folder)
    assert (index.count(), found(index, query(), 9)) == (180, before)
    index.add(more)
    assert (FolderIndex(folder).count(), len(list(folder.iterdir()))) == (195, 4)


def test_an_open_index_stays_as_it_was_while_another_writes(tmp_path: Path) -> None:
    reader = build_index(tmp_path / "index", embeddings(tmp_path))
    before = found(reader, query(), 9)
    FolderIndex(tmp_path / "index").delete(before)
    assert found(reader, query(), 9) == before
    with pytest.raises(SearchIndexError, match="was changed since it was opened"):
        reader.delete(before)


@pytest.mark.parametrize("second", ["build", "add", "delete"])
def test_a_second_writer_is_refused_while_one_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    rows, folder, write = embeddings(tmp_path), tmp_path / "index", folder_index.vectors.write
    changes = {
        "build": lambda: build_index(folder, rows),
        "add": lambda: FolderIndex(folder).add(rows),
        "delete": lambda: FolderIndex(folder).delete(rows.ids[:3]),
    }
    refusals = []

    def interrupted(index: object, path: Path) -> None:
        monkeypatch.setattr(folder_index.vectors, "write", write)
        with pytest.raises(SearchIndexError, match=r"another process is changing .*index: wait until it has ended"):
            changes[second]()
        refusals.append(path.name)
        write(index, path)

    if second != "build":
        build_index(folder, rows)
    monkeypatch.setattr(folder_index.vectors, "write", interrupted)
    changes["build" if second == "build" else "add"]()
    assert len(refusals) == 1
    assert FolderIndex(folder).count() == 60 * 3


def test_an_index_on_a_disk_without_locks_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    assert build_index(tmp_path / "index", embeddings(tmp_path)).delete(["s030/image/1"]) == 1


def test_a_place_where_no_index_can_be_is_one_sentence(tmp_path: Path) -> None:
    rows = embeddings(tmp_path)
    with pytest.raises(OutputError, match=r"no folder can be made at .*/e \(File exists\): give another place"):
        build_index(tmp_path / "e", rows)


def test_embeddings_of_another_model_are_refused(tmp_path: Path) -> None:
    index = build_index(tmp_path / "index", embeddings(tmp_path))
    with pytest.raises(SearchIndexError, match="is of model a1, these embeddings are of c3"):
        index.add(embeddings(tmp_path, 100, 2, model="c3"))
    assert index.count() == 180


@pytest.mark.parametrize("exact_rows", [1000, 10], ids=["exact", "lists"])
@pytest.mark.parametrize("kind", ["vectors", "rows"])
def test_a_file_that_is_cut_changed_or_absent_is_told(tmp_path: Path, exact_rows: int, kind: str) -> None:
    index = build_index(tmp_path / "index", embeddings(tmp_path), exact_rows=exact_rows)
    path = index.folder / getattr(index.files, kind).name
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1], b"", whole[:99] + b"\xff" + whole[100:]):
        path.write_bytes(damaged)
        with pytest.raises(SearchIndexError, match="is not as it was written"):
            FolderIndex(index.folder)
    path.unlink()
    with pytest.raises(SearchIndexError, match="is absent"):
        FolderIndex(index.folder)


def test_files_that_were_put_in_their_place_are_told(tmp_path: Path) -> None:
    from cxr_clip.search.index_files import stored

    index = build_index(tmp_path / "index", embeddings(tmp_path))
    manifest = index.folder / "manifest.json"
    said = json.loads(manifest.read_text())
    vectors = index.folder / index.files.vectors.name
    for content in (b"no index", vectors.read_bytes()[:60]):
        vectors.write_bytes(content)
        manifest.write_text(json.dumps({**said, "vectors": {"name": vectors.name, "sha256": stored(vectors).sha256}}))
        with pytest.raises(SearchIndexError, match="is no readable index"):
            FolderIndex(index.folder)
    for change in ({"format": 2}, {"kind": "x"}, {"rows": {"name": "../e", "sha256": ""}}, {"odd": 1}, {"turn": "1"}):
        manifest.write_text(json.dumps({**said, **change}))
        with pytest.raises(SearchIndexError, match=r"has format 2|is damaged"):
            FolderIndex(index.folder)
    manifest.write_text("{")
    with pytest.raises(SearchIndexError, match="is damaged"):
        FolderIndex(index.folder)
    manifest.unlink()
    with pytest.raises(SearchIndexError, match="no index at"):
        FolderIndex(index.folder)


def test_without_faiss_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingPackageError, match=r'pip install "cxr-clip\[search\]"'):
        build_index(tmp_path / "index", embeddings(tmp_path))
