"""A preparation can be stopped anywhere and continued, and gives the same folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_clip.data.images import decode_image
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.errors import SourceError
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.pipeline import PrepareOptions, RawSource, Rejection, run_pipeline
from cxr_clip.study import ImageFile, Split, Study

SMALL = PrepareOptions(short_side=24, processes=1, studies_per_shard=5)


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the time that the run took."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    summary = json.loads(files["summary.json"])
    del summary["seconds"]
    return {**files, "summary.json": json.dumps(summary).encode()}


def test_the_folder_holds_what_the_raw_images_show(openi: Path, tmp_path: Path) -> None:
    summary = prepare_openi(openi, tmp_path / "out", SMALL)
    manifest = read_manifest(tmp_path / "out")
    assert (summary.studies, summary.images, len(manifest)) == (12, 24, 12)
    assert sum(summary.splits.values()) == 12
    store = ImageStore(tmp_path / "out")
    for study in manifest:
        for image in study.images:
            expected = decode_image((openi / image.path).read_bytes(), short_side=24)
            assert abs(store.read(image).astype(int) - expected).mean() < 2
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"manifest.parquet", "shards", "rejected.jsonl", "summary.json"}
    assert len(list((tmp_path / "out" / "shards").iterdir())) == 3


def test_the_number_of_processes_does_not_change_the_folder(openi: Path, tmp_path: Path) -> None:
    prepare_openi(openi, tmp_path / "one", SMALL)
    prepare_openi(openi, tmp_path / "two", PrepareOptions(short_side=24, processes=2, studies_per_shard=5))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("stop_at", [1, 5, 7, 12])
def test_an_interrupted_run_continues_and_gives_the_same_folder(openi: Path, tmp_path: Path, stop_at: int) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == 12
        if done == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_openi(openi, tmp_path / "out", SMALL, progress=interrupt)
    assert not (tmp_path / "out" / "manifest.parquet").exists()
    assert list((tmp_path / "out").rglob("*.partial")) == []
    prepare_openi(openi, tmp_path / "out", SMALL)
    prepare_openi(openi, tmp_path / "straight", SMALL)
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")


def test_finished_shards_are_not_made_again(openi: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 11:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        prepare_openi(openi, out, SMALL, progress=interrupt)
    before = {path: path.stat().st_ino for path in (out / "shards").glob("*.tar")}
    assert len(before) == 2
    steps: list[int] = []
    prepare_openi(openi, out, SMALL, progress=lambda done, total: steps.append(done))
    assert steps == [5, 10, 11, 12, 12]
    assert {path: path.stat().st_ino for path in before} == before


def test_a_killed_run_continues_and_gives_the_same_folder(openi: Path, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from cxr_clip.prepare.openi import prepare_openi\nfrom cxr_clip.prepare.pipeline import PrepareOptions\n"
        "def kill(done, total):\n    if done == 8: os.kill(os.getpid(), signal.SIGKILL)\n"
        "options = PrepareOptions(short_side=24, processes=1, studies_per_shard=5)\n"
        "prepare_openi(Path(sys.argv[1]), Path(sys.argv[2]), options, progress=kill)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, openi, tmp_path / "out"], check=False, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    prepare_openi(openi, tmp_path / "out", SMALL)
    prepare_openi(openi, tmp_path / "straight", SMALL)
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")


def test_a_finished_folder_has_nothing_to_do(openi: Path, tmp_path: Path) -> None:
    first = prepare_openi(openi, tmp_path / "out", SMALL)
    before = contents(tmp_path / "out")
    again = prepare_openi(openi, tmp_path / "out", SMALL)
    assert (first.nothing_to_do, again.nothing_to_do) == (False, True)
    assert (again.studies, again.images, again.splits) == (first.studies, first.images, first.splits)
    assert contents(tmp_path / "out") == before


def test_other_settings_are_refused_by_finished_and_unfinished_folders(openi: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    other = PrepareOptions(short_side=20, processes=1, studies_per_shard=5)
    with pytest.raises(KeyboardInterrupt):
        prepare_openi(openi, tmp_path / "out", SMALL, progress=interrupt)
    for _ in range(2):
        with pytest.raises(SourceError, match=r"short_side 24, now 20.*choose another folder or delete"):
            prepare_openi(openi, tmp_path / "out", other)
        prepare_openi(openi, tmp_path / "out", SMALL)


def test_changed_raw_data_are_refused_by_finished_and_unfinished_folders(
    openi: Path, tmp_path: Path, write_report
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    prepare_openi(openi, tmp_path / "finished", SMALL)
    with pytest.raises(KeyboardInterrupt):
        prepare_openi(openi, tmp_path / "unfinished", SMALL, progress=interrupt)
    write_report(openi, 2, images=["CXR2_1_IM-0001-3001"], findings="Something else.")
    for name in ("finished", "unfinished"):
        with pytest.raises(SourceError, match="changed since"):
            prepare_openi(openi, tmp_path / name, SMALL)


def test_an_image_that_was_replaced_is_noticed_by_finished_and_unfinished_folders(
    openi: Path, tmp_path: Path, write_picture
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 6:
            raise KeyboardInterrupt

    image = openi / "images" / "CXR2_1_IM-0001-3001.png"
    whole = image.read_bytes()
    image.write_bytes(whole[:60])
    assert prepare_openi(openi, tmp_path / "finished", SMALL).images == 23
    with pytest.raises(KeyboardInterrupt):
        prepare_openi(openi, tmp_path / "unfinished", SMALL, progress=interrupt)
    image.write_bytes(whole)
    for name in ("finished", "unfinished"):
        with pytest.raises(SourceError, match=r"images.* changed since .*choose another folder or delete this one"):
            prepare_openi(openi, tmp_path / name, SMALL)


def test_a_copy_of_the_raw_folder_is_the_same_data(openi: Path, tmp_path: Path) -> None:
    prepare_openi(openi, tmp_path / "out", SMALL)
    shutil.copytree(openi, tmp_path / "copy", copy_function=shutil.copyfile)
    assert prepare_openi(tmp_path / "copy", tmp_path / "out", SMALL).nothing_to_do


def test_a_run_without_a_usable_study_can_be_made_again_once_its_images_are_mended(openi: Path, tmp_path: Path) -> None:
    whole = {path: path.read_bytes() for path in (openi / "images").iterdir()}
    for path in whole:
        path.write_bytes(b"")
    report = openi / "ecgen-radiology" / "1.xml"
    kept = report.read_text()
    report.write_text(kept.replace("</eCitation>", '<parentImage id="CXR1_1_IM-0009"/></eCitation>'))
    with pytest.raises(SourceError, match=r"no usable study: image: the file is empty \(24\)"):
        prepare_openi(openi, tmp_path / "out", SMALL)
    assert not (tmp_path / "out" / "unfinished").exists()
    assert list((tmp_path / "out" / "shards").iterdir()) == []
    report.write_text(kept)
    for path, data in whole.items():
        path.write_bytes(data)
    prepare_openi(openi, tmp_path / "out", SMALL)
    prepare_openi(openi, tmp_path / "straight", SMALL)
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")


def test_a_folder_with_someone_elses_manifest_is_left_alone(openi: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.parquet").write_text("precious")
    with pytest.raises(SourceError, match=r"no summary\.json"):
        prepare_openi(openi, tmp_path / "out", SMALL)
    assert (tmp_path / "out" / "manifest.parquet").read_text() == "precious"


def test_every_rejection_is_listed_and_counted(openi: Path, tmp_path: Path) -> None:
    (openi / "images" / "CXR3_1_IM-0001-3001.png").write_bytes(b"")
    for view in (3, 4):
        (openi / "images" / f"CXR7_1_IM-0001-{view}001.png").write_text("<html>404</html>")
    (openi / "ecgen-radiology" / "9.xml").write_text("<eCitation>")
    summary = prepare_openi(openi, tmp_path / "out", SMALL)
    with (tmp_path / "out" / "rejected.jsonl").open() as stream:
        rejected = [json.loads(line) for line in stream]
    assert all(set(row) == {"kind", "path", "study", "reason"} for row in rejected)
    named = [row for row in rejected if row["study"] or row["kind"] == "report"]
    assert sorted((row["kind"], row["path"], row["study"]) for row in named) == [
        ("image", "images/CXR3_1_IM-0001-3001.png", "CXR3"),
        ("image", "images/CXR7_1_IM-0001-3001.png", "CXR7"),
        ("image", "images/CXR7_1_IM-0001-4001.png", "CXR7"),
        ("report", "ecgen-radiology/9.xml", None),
        ("study", None, "CXR7"),
    ]  # fmt: skip
    assert sum(summary.rejected.values()) == len(rejected)
    assert summary.rejected["image: the file is empty"] == 1
    assert (summary.studies, summary.images) == (10, 19)
    assert {study.id: len(study.images) for study in read_manifest(tmp_path / "out")}["CXR3"] == 1


def test_a_limit_takes_the_first_studies(openi: Path, tmp_path: Path) -> None:
    limited = PrepareOptions(short_side=24, processes=1, limit=3)
    assert prepare_openi(openi, tmp_path / "out", limited).studies == 3
    assert [study.id for study in read_manifest(tmp_path / "out")] == ["CXR1", "CXR2", "CXR3"]


def test_a_source_without_a_usable_study_is_refused_with_the_reasons(tmp_path: Path) -> None:
    def drafts() -> Iterator[Study | Rejection]:
        yield Study("a", "p", "test", Split.TRAIN, (ImageFile("absent.png"),))
        yield Rejection("report", "b.xml", None, "the file is empty")

    source = RawSource("test", tmp_path, list(drafts()), total=2)
    with pytest.raises(SourceError, match=r"no usable study: .*No such file.*see .*rejected.jsonl"):
        run_pipeline(source, tmp_path / "out", SMALL)
    assert len((tmp_path / "out" / "rejected.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("name", ["short_side", "processes", "limit", "studies_per_shard"])
def test_impossible_options_are_refused(name: str) -> None:
    with pytest.raises(SourceError, match=f"{name} is 0; it must be at least 1"):
        PrepareOptions(**{name: 0})
