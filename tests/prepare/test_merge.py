"""Shares made on several machines, merged, are what a single run makes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.errors import ManifestError, SourceError
from cxr_clip.prepare.merge import merge_shares
from cxr_clip.prepare.openi import prepare_openi
from cxr_clip.prepare.pipeline import PrepareOptions
from cxr_clip.prepare.records import Share
from cxr_clip.prepare.shares import parse_share


def options(share: str | None, *, size: int = 2, short_side: int = 24) -> PrepareOptions:
    return PrepareOptions(
        short_side=short_side, processes=1, studies_per_shard=size, share=None if share is None else parse_share(share)
    )


def make_shares(raw: Path, folder: Path, count: int, *, size: int = 2) -> list[Path]:
    folders = [folder / f"share-{number}" for number in range(1, count + 1)]
    for number, out in enumerate(folders, start=1):
        prepare_openi(raw, out, options(f"{number}/{count}", size=size))
    return folders


def contents(folder: Path) -> dict[str, bytes]:
    """All files but the time that the run took."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    summary = json.loads(files["summary.json"])
    del summary["seconds"]
    return {**files, "summary.json": json.dumps(summary).encode()}


@pytest.fixture
def faulty(openi: Path, write_report) -> Path:
    """Images that are damaged or absent, and a study of which nothing is left, at the start, middle and end."""
    (openi / "images" / "CXR3_1_IM-0001-3001.png").write_bytes(b"")
    for view in (3, 4):
        (openi / "images" / f"CXR7_1_IM-0001-{view}001.png").write_text("<html>404</html>")
    write_report(openi, 12, images=["CXR12_1_IM-0001-3001", "CXR12_absent"])
    return openi


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_merged_shares_are_the_folder_of_a_single_run(faulty: Path, tmp_path: Path, count: int) -> None:
    folders = make_shares(faulty, tmp_path, count)
    merged = merge_shares(tmp_path / "merged", folders[::-1])
    single = prepare_openi(faulty, tmp_path / "single", options(None))
    assert contents(tmp_path / "merged") == contents(tmp_path / "single")
    assert (merged.studies, merged.images, merged.rejected) == (single.studies, single.images, single.rejected)
    assert prepare_openi(faulty, tmp_path / "merged", options(None)).nothing_to_do
    assert merge_shares(tmp_path / "merged", folders).nothing_to_do


def test_every_share_makes_its_own_shards_only(openi: Path, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    prepare_openi(openi, tmp_path / "out", options("2/4"), progress=lambda done, total: steps.append((done, total)))
    names = [path.name for path in sorted((tmp_path / "out" / "shards").iterdir())]
    assert names == ["images-00001.tar", "images-00005.tar"]
    assert steps[-1] == (4, 4)
    with pytest.raises(ManifestError):
        read_manifest(tmp_path / "out")


def test_the_shares_stay_as_they_are_and_the_merged_images_outlive_them(openi: Path, tmp_path: Path) -> None:
    folders = make_shares(openi, tmp_path, 2)
    before = [{path: path.stat().st_mtime_ns for path in folder.rglob("*")} for folder in folders]
    merge_shares(tmp_path / "out", folders)
    assert before == [{path: path.stat().st_mtime_ns for path in folder.rglob("*")} for folder in folders]
    for folder in folders:
        shutil.rmtree(folder)
    study = read_manifest(tmp_path / "out")[11]
    assert ImageStore(tmp_path / "out").read(study.images[1]).shape == (24, 30)


def test_where_files_cannot_be_linked_they_are_copied(
    openi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    folders = make_shares(openi, tmp_path, 2)
    merge_shares(tmp_path / "linked", folders)
    monkeypatch.setattr(os, "link", refuse)
    merge_shares(tmp_path / "copied", folders)
    assert contents(tmp_path / "linked") == contents(tmp_path / "copied")


def test_a_killed_share_continues(openi: Path, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from cxr_clip.prepare.openi import prepare_openi\nfrom cxr_clip.prepare.pipeline import PrepareOptions\n"
        "from cxr_clip.prepare.records import Share\n"
        "def kill(done, total):\n    if done == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "options = PrepareOptions(short_side=24, processes=1, studies_per_shard=2, share=Share(1, 2))\n"
        "prepare_openi(Path(sys.argv[1]), Path(sys.argv[2]), options, progress=kill)\n"
    )
    out = tmp_path / "share-1"
    killed = subprocess.run([sys.executable, "-c", program, openi, out], check=False, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    made = (out / "shards" / "images-00000.tar").stat().st_ino
    with pytest.raises(SourceError, match=r"share 1/2 in .* is not whole yet"):
        merge_shares(tmp_path / "merged", [out])
    folders = make_shares(openi, tmp_path, 2)
    assert (out / "shards" / "images-00000.tar").stat().st_ino == made
    merge_shares(tmp_path / "merged", folders)
    prepare_openi(openi, tmp_path / "single", options(None))
    assert contents(tmp_path / "merged") == contents(tmp_path / "single")


def test_a_stopped_merge_continues(openi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = make_shares(openi, tmp_path, 2)

    def interrupt(done: int, total: int) -> None:
        assert total == 6
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merge_shares(tmp_path / "merged", folders, progress=interrupt)
    assert not (tmp_path / "merged" / "manifest.parquet").exists()
    brought: list[Path] = []
    link = os.link
    monkeypatch.setattr(os, "link", lambda file, to: (brought.append(to), link(file, to)))
    merge_shares(tmp_path / "merged", folders)
    assert len(brought) == 6
    prepare_openi(openi, tmp_path / "single", options(None))
    assert contents(tmp_path / "merged") == contents(tmp_path / "single")


def test_a_whole_share_has_nothing_to_do(openi: Path, tmp_path: Path) -> None:
    assert not prepare_openi(openi, tmp_path / "out", options("1/2")).nothing_to_do
    assert prepare_openi(openi, tmp_path / "out", options("1/2")).nothing_to_do


def test_a_share_without_a_usable_study_is_merged(openi: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        for view in (3, 4):
            (openi / "images" / f"CXR{number}_1_IM-0001-{view}001.png").write_bytes(b"")
    merged = merge_shares(tmp_path / "merged", make_shares(openi, tmp_path, 6))
    assert merged.studies == 10


def test_shares_without_any_usable_study_are_refused(openi: Path, tmp_path: Path) -> None:
    for path in (openi / "images").iterdir():
        path.write_bytes(b"")
    folders = make_shares(openi, tmp_path, 2)
    with pytest.raises(SourceError, match="openi has no usable study"):
        merge_shares(tmp_path / "merged", folders)
    assert not (tmp_path / "merged" / "manifest.parquet").exists()


def test_an_absent_or_doubled_share_is_named(openi: Path, tmp_path: Path) -> None:
    folders = make_shares(openi, tmp_path, 3)
    with pytest.raises(SourceError, match=r"the share 2/3 is absent"):
        merge_shares(tmp_path / "merged", [folders[0], folders[2]])
    shutil.copytree(folders[0], tmp_path / "copy")
    with pytest.raises(SourceError, match=r"the share 1/3 comes twice"):
        merge_shares(tmp_path / "merged", [*folders, tmp_path / "copy"])
    with pytest.raises(SourceError, match="no share to merge"):
        merge_shares(tmp_path / "merged", [])
    assert not (tmp_path / "merged").exists()


def test_shares_of_other_settings_or_data_are_refused(openi: Path, tmp_path: Path, write_report) -> None:
    first, second = make_shares(openi, tmp_path, 2)
    prepare_openi(openi, tmp_path / "small", options("2/2", short_side=20))
    with pytest.raises(SourceError, match=r"short_side 20.*prepared with the same settings"):
        merge_shares(tmp_path / "merged", [first, tmp_path / "small"])
    write_report(openi, 1, images=["CXR1_1_IM-0001-3001"], findings="Another text in the first share.")
    prepare_openi(openi, tmp_path / "later", options("2/2"))
    with pytest.raises(SourceError, match="other raw data"):
        merge_shares(tmp_path / "merged", [first, tmp_path / "later"])
    with pytest.raises(SourceError, match="changed since"):
        prepare_openi(openi, second, options("2/2"))


def test_what_is_no_share_is_refused(openi: Path, tmp_path: Path) -> None:
    prepare_openi(openi, tmp_path / "whole", options(None))
    for name in ("whole", "absent"):
        with pytest.raises(SourceError, match="holds no share"):
            merge_shares(tmp_path / "merged", [tmp_path / name])
    with pytest.raises(SourceError, match="holds a manifest already"):
        prepare_openi(openi, tmp_path / "whole", options("1/2"))
    folders = make_shares(openi, tmp_path, 2)
    with pytest.raises(SourceError, match="share 1/2, now None"):
        prepare_openi(openi, folders[0], options(None))
    with pytest.raises(SourceError, match="holds one of the shares"):
        merge_shares(folders[0], folders)


def test_a_share_that_lost_a_shard_is_refused(openi: Path, tmp_path: Path) -> None:
    folders = make_shares(openi, tmp_path, 2)
    (folders[1] / "shards" / "images-00003.tar").unlink()
    with pytest.raises(SourceError, match="lacks shard 3 of its share"):
        merge_shares(tmp_path / "merged", folders)


@pytest.mark.parametrize("text", ["2", "0/3", "4/3", "a/b", "1/", "-1/2", "1/0"])
def test_impossible_shares_are_refused(text: str) -> None:
    with pytest.raises(SourceError, match="the share is"):
        parse_share(text)


def test_shares_take_every_shard_exactly_once() -> None:
    takers = [[Share(number, 3).takes(shard) for number in (1, 2, 3)] for shard in range(7)]
    assert [row.index(True) for row in takers] == [0, 1, 2, 0, 1, 2, 0]
    assert all(sum(row) == 1 for row in takers)
