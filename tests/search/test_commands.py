"""An index is made, added to and searched by the commands."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import cxr_clip
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.embeddings_file import read_embeddings
from cxr_clip.errors import SearchIndexError
from cxr_clip.search.folder_index import FolderIndex
from cxr_clip.search.vector_index import Wanted
from support_data import made_up_picture, write_tiny_manifest
from support_models import tiny_run_folder

Command = Callable[..., int]


def test_a_manifest_is_embedded_indexed_and_searched(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write_tiny_manifest(tmp_path / "manifest", train=4, validate=2, test=2)
    run = tiny_run_folder(tmp_path / "run", manifest)
    assert command("embed", run, manifest, "all.parquet", "--device", "cpu", "--quiet") == 0
    assert command("index", "build", "all.parquet", "index") == 0
    count = FolderIndex(tmp_path / "index").count()
    assert command("index", "add", "all.parquet", "index") == 0
    said = capsys.readouterr().out
    assert f"0 rows are new, {count} took the place" in said
    assert said.count(f"index: {count} embeddings of 12 numbers, exact, model ") == 2

    def hits(*options: object) -> list[dict[str, object]]:
        assert command("search", run, "index", *options, "--json", "--device", "cpu") == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    for options in (("--text", "Clear lungs."), ("--study", "test-0")):
        assert hits(*options) == hits(*options)
        scores = [hit["score"] for hit in hits(*options)]
        assert scores == sorted(scores, reverse=True)
    assert len(hits("--text", "Clear lungs.", "--top", 3)) == 3
    assert command("search", run, "index", "--text", " ", "--device", "cpu") == 2
    assert "the text to look for is empty: say what it should find" in capsys.readouterr().err
    assert {hit["split"] for hit in hits("--text", "Clear lungs.", "--split", "test")} == {"test"}
    assert "test-0" not in [hit["study_id"] for hit in hits("--study", "test-0", "--top", 99)]
    assert "test-0" in [hit["study_id"] for hit in hits("--study", "test-0", "--with-itself")]
    Image.fromarray(made_up_picture(3)).save("chest.png")
    assert len(hits("--image", "chest.png", "--view", "lateral", "--top", 2)) == 2
    assert hits("--text", "Clear lungs.", "--patient", "nobody", "--patient", "a\udcff") == []
    assert command("search", run, "index", "--text", "a", "--patient", "nobody", "--device", "cpu") == 0
    assert "no row is of patient 'nobody'" in capsys.readouterr().out
    capsys.readouterr()
    assert command("search", run, "index", "--text", "a", "--source", "other", "--split", "test") == 0
    assert capsys.readouterr().out.splitlines() == [
        "nothing in the index is as asked",
        "no row is of source 'other': there are made-up",
    ]
    assert command("search", run, "index", "--text", "Clear lungs.", "--device", "cpu") == 0
    assert "report" in capsys.readouterr().out
    assert command("search", run, "index") == 2
    assert "needs one of --text, --image and --study" in capsys.readouterr().err
    assert command("search", run, "absent", "--text", "a") == 2
    assert "cxr-clip index build EMBEDDINGS.parquet absent" in capsys.readouterr().err


def test_an_image_finds_its_own_study(command: Command, tmp_path: Path) -> None:
    manifest = write_tiny_manifest(tmp_path / "manifest", train=4, validate=2, test=2)
    run = tiny_run_folder(tmp_path / "run", manifest)
    assert command("embed", run, manifest, "all.parquet", "--device", "cpu", "--quiet", "--float32") == 0
    assert command("index", "build", "all.parquet", "index") == 0
    model, index = cxr_clip.load(run, device="cpu"), FolderIndex(tmp_path / "index")
    study = read_manifest(manifest)[2]
    picture = ImageStore(manifest).read(study.images[0])
    (best, *_) = model.similar(picture, index, wanted=Wanted())
    assert best.score == pytest.approx(1, abs=2e-3)
    assert best.study_id == study.id
    index.files = index.files.__class__(**{**vars(index.files), "model": "other"})
    with pytest.raises(SearchIndexError, match="the index is of model other"):
        model.similar("Clear lungs.", index)


@pytest.fixture
def index(command: Command, tmp_path: Path) -> FolderIndex:
    manifest = write_tiny_manifest(tmp_path / "manifest", train=4, validate=2, test=2)
    run = tiny_run_folder(tmp_path / "run", manifest)
    command("embed", run, manifest, "all.parquet", "--device", "cpu", "--quiet")
    assert command("index", "build", "all.parquet", "index") == 0
    return FolderIndex(tmp_path / "index")


def test_studies_and_patients_are_deleted_and_come_back(
    index: FolderIndex, command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (patient,) = {
        row["patient"] for row in read_embeddings(Path("all.parquet")).about.to_pylist() if row["study_id"] == "test-1"
    }
    gone = index.ids_of(studies=["test-0"], patients=[patient])
    assert command("index", "delete", "index", "--study", "test-0", "--patient", patient) == 0
    assert f"{len(gone)} rows are deleted" in capsys.readouterr().out
    left = FolderIndex(tmp_path / "index")
    assert left.count() == index.count() - len(gone) > 0
    assert left.ids_of(studies=["test-0"], patients=[patient]) == ()
    assert command("index", "add", "all.parquet", "index") == 0
    said = capsys.readouterr().out
    assert f"{len(gone)} rows are new, {left.count()} took the place" in said
    assert command("index", "show", "index") == 0
    assert re.search(r"^image: \d+$", capsys.readouterr().out, re.MULTILINE)
    assert FolderIndex(tmp_path / "index").kinds() == index.kinds()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "no study and no patient is named"),
        (("--study", "test-0", "--study", "tset-1"), "study 'tset-1' is not in index"),
        (("--study", "test-0", "--patient", "nobody"), "patient 'nobody' is not in index"),
        (("--study", "test-0", "--patient", "a\udcff"), "patient 'a\\udcff' is not in index"),
    ],
)
def test_a_deletion_of_what_is_not_there_changes_nothing(
    index: FolderIndex, options: tuple[str, ...], told: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("index", "delete", "index", *options) == 2
    assert told in capsys.readouterr().err
    assert FolderIndex(index.folder).files == index.files


def test_an_index_is_not_built_over_one_that_is_there(index: FolderIndex, command: Command) -> None:
    assert command("index", "build", "all.parquet", "index") == 2
    assert FolderIndex(index.folder).files == index.files
