"""Nothing that a file names is read outside of its folder: by dots, from the root, or through a link."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxr_clip.data.faults import find_table_faults
from cxr_clip.data.manifest import FILE_NAME, read_manifest
from cxr_clip.data.scan import scan_images
from cxr_clip.data.store import ImageStore
from cxr_clip.embed_manifest import EmbedRequest, embed_manifest
from cxr_clip.embeddings_file import read_embeddings
from cxr_clip.errors import ImageError, ManifestError, SearchIndexError
from cxr_clip.inside import path_inside
from cxr_clip.prepare.chestxray14 import prepare_chestxray14
from cxr_clip.prepare.mimic_cxr_layout import FoundImages, find_layout
from cxr_clip.prepare.mimic_cxr_reports import find_reports
from cxr_clip.prepare.mimic_cxr_tables import study_key
from cxr_clip.prepare.pipeline import PrepareOptions
from cxr_clip.search.folder_index import FolderIndex, build_index
from cxr_clip.synthetic import synthesize_chestxray14
from support_data import SHARD, write_tiny_manifest
from support_models import tiny_run_folder

Spoil = Callable[[Path], str]


def by_dots(folder: Path) -> str:
    return "../elsewhere/images.tar"


def from_the_root(folder: Path) -> str:
    return str(folder.parent.resolve() / "elsewhere" / "images.tar")


def by_a_link(folder: Path) -> str:
    (folder / "linked.tar").symlink_to(folder.parent / "elsewhere" / "images.tar")
    return "linked.tar"


def by_a_linked_folder(folder: Path) -> str:
    (folder / "linked").symlink_to(folder.parent / "elsewhere")
    return "linked/images.tar"


ALL = (by_dots, from_the_root, by_a_link, by_a_linked_folder)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A prepared folder, and a copy of its shard outside of it."""
    folder = write_tiny_manifest(tmp_path / "manifest")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "images.tar").write_bytes((folder / SHARD).read_bytes())
    return folder


def renamed(manifest: Path, shard: str) -> pa.Table:
    """The manifest with another name in the place of its shard's."""
    table = read_manifest(manifest, check=False).table
    rows = table.to_pylist()
    for row in rows:
        for image in row["images"]:
            image["shard"] = shard
    changed = pa.Table.from_pylist(rows, schema=table.schema)
    pq.write_table(changed, manifest / FILE_NAME)
    return changed


@pytest.mark.parametrize("spoil", ALL, ids=lambda one: one.__name__)
def test_a_shard_outside_of_the_manifest_is_refused(spoil: Spoil, manifest: Path) -> None:
    table = renamed(manifest, spoil(manifest))
    assert [fault.rule for fault in find_table_faults(table, manifest)] == ["shards outside of the folder"]
    with pytest.raises(ManifestError, match=r"shards outside of the folder.*a shard itself may be no link out of it"):
        read_manifest(manifest)
    image = read_manifest(manifest, check=False)[0].images[0]
    with pytest.raises(ImageError, match="leads out of the folder"):
        ImageStore(manifest).read(image)
    scan = scan_images(table, manifest, threads=1)
    assert not scan.present.any()
    assert not scan.readable.any()


def test_the_folder_of_a_manifest_may_be_a_link(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(manifest)
    study = read_manifest(tmp_path / "link")[0]
    assert ImageStore(tmp_path / "link").read(study.images[0]).size


@pytest.mark.parametrize("name", ["vectors", "rows"])
def test_a_file_of_an_index_that_is_a_link_out_of_it_is_refused(name: str, manifest: Path, tmp_path: Path) -> None:
    from cxr_clip.embed import load

    run = tiny_run_folder(tmp_path / "run", manifest)
    embed_manifest(load(run, device="cpu"), EmbedRequest(manifest), tmp_path / "all.parquet")
    index = build_index(tmp_path / "index", read_embeddings(tmp_path / "all.parquet"))
    file = index.folder / getattr(index.files, name).name
    file.rename(tmp_path / "elsewhere" / file.name)
    file.symlink_to(tmp_path / "elsewhere" / file.name)
    with pytest.raises(SearchIndexError, match="leads out of the folder"):
        FolderIndex(index.folder)


@pytest.mark.parametrize("name", ["", ".", "..", "a/../..", "/", "/etc/passwd", "a\0b", "ring"])
def test_names_that_lead_nowhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "ring").symlink_to("ring")
    assert path_inside(tmp_path, name) is None


@pytest.mark.parametrize("name", ["a", "a/b", "a/../b", "absent/c", "here"])
def test_names_that_stay(name: str, tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to("a")
    assert path_inside(tmp_path, name) == tmp_path / name


def test_an_image_that_a_table_names_outside_of_the_raw_folder_is_not_read(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    synthesize_chestxray14(raw, studies=6, seed=0, image_size=64)
    table = next(raw.glob("Data_Entry*.csv"))
    first = sorted(raw.rglob("*.png"))[0]
    (tmp_path / first.name).write_bytes(first.read_bytes())
    first.unlink()
    table.write_text(table.read_text().replace(first.name, f"../{first.name}"))
    prepare_chestxray14(raw, tmp_path / "out", PrepareOptions(short_side=24, processes=1))
    named = [image.path for study in read_manifest(tmp_path / "out") for image in study.images]
    assert len(named) == 5
    assert all((raw / name).resolve().is_relative_to(raw) for name in named)


def test_names_in_a_zip_of_reports_write_nothing(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    with zipfile.ZipFile(raw / "mimic-cxr-reports.zip", "w") as archive:
        for name in ("../../escaped.txt", "/tmp/escaped.txt", "files/p10/p10000032/../../../escaped.txt"):
            archive.writestr(name, "The lungs are clear.")
        archive.writestr("files/p10/p10000032/s50414267.txt", "The lungs are clear.")
    layout = find_layout(raw)
    found = FoundImages(raw, (), np.zeros(0, np.uint16), [], 0, dict.fromkeys(layout.trees, 1))
    reports = find_reports(layout, found, None)
    assert reports is not None
    assert reports.text(study_key(10_000_032, 50_414_267)) == "The lungs are clear."
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mimic-cxr-reports.zip"]
