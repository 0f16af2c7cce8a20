"""A second audit of the same images reads none of them; other images, and other shards, are read."""

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.scan import Scan, scan_images
from cxr_clip.errors import EvaluationError
from cxr_clip.overlap import scan_cache
from cxr_clip.overlap.audit_manifests import OverlapRequest, audit_manifests
from cxr_clip.overlap.scan_cache import scanned
from cxr_clip.overlap.written import audit_record
from cxr_clip.study import Split
from support_overlap import CLEAN, TRAINING, write_cases


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_cases(tmp_path / "prepared", TRAINING[:3], split=Split.TRAIN)


def scan(folder: Path, cache: Path | None, heard: list[tuple[int, int]] | None = None) -> Scan:
    manifest = read_manifest(folder)
    advance = None if heard is None else lambda done, total: heard.append((done, total))
    return scanned(manifest.table, manifest.root, threads=1, cache=cache, advance=advance)


def same(one: Scan, other: Scan) -> bool:
    return all(np.array_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(Scan))


def nothing_is_read(*_: object, **__: object) -> Scan:
    raise AssertionError("images were read")


def test_a_kept_scan_is_the_scan(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh, first = scan(folder, None), scan(folder, tmp_path / "cache")
    monkeypatch.setattr(scan_cache, "scan_images", nothing_is_read)
    heard: list[tuple[int, int]] = []
    assert same(scan(folder, tmp_path / "cache", heard), fresh)
    assert same(first, fresh)
    assert heard == [(3, 3)]
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]
    with pytest.raises(AssertionError, match="images were read"):
        scan(folder, None)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each scan reads from now on."""
    read: list[int] = []

    def count(table: pa.Table, *rest: object, **named: object) -> Scan:
        found = scan_images(table, *rest, **named)
        read.append(len(found.rows))
        return found

    monkeypatch.setattr(scan_cache, "scan_images", count)
    return read


def test_parts_of_a_manifest_share_what_they_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(folder)
    fresh, read = scan(folder, None), counted(monkeypatch)
    heard: list[tuple[int, int]] = []
    for part in (manifest.table.slice(1, 1), manifest.table, manifest.table.take([2, 0])):
        found = scanned(
            part, folder, threads=1, cache=tmp_path, advance=lambda done, total: heard.append((done, total))
        )
        assert found.rows.tolist() == list(range(len(part)))
    assert read == [1, 2]
    assert heard == [(1, 1), (3, 3), (2, 2)]
    assert np.array_equal(found.hashes, fresh.hashes[[2, 0]])
    assert np.array_equal(found.digests, fresh.digests[[2, 0]])
    assert same(scan(folder, tmp_path), fresh)
    assert len(list(tmp_path.glob("*.npz*"))) == 1


def test_a_shard_that_changed_is_read_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan(folder, tmp_path)
    read = counted(monkeypatch)
    (shard,) = (folder / "shards").iterdir()
    os.utime(shard, (1, 1))
    scan(folder, tmp_path)
    assert read == [3]


def test_another_place_in_the_same_shard_is_another_image(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(folder, tmp_path)
    read, rows = counted(monkeypatch), read_manifest(folder).table.to_pylist()
    rows[1]["images"][0]["length"] -= 1
    table = pa.Table.from_pylist(rows, schema=read_manifest(folder).table.schema)
    found = scanned(table, folder, threads=1, cache=tmp_path)
    assert read == [1]
    assert (found.digests == scan(folder, None).digests).tolist() == [True, False, True]


def test_images_of_no_shard_are_as_absent_as_ever(folder: Path, tmp_path: Path) -> None:
    table = read_manifest(folder).table
    (shard,) = (folder / "shards").iterdir()
    shard.unlink()
    found = scanned(table, folder, threads=1, cache=tmp_path)
    assert same(found, scanned(table, folder, threads=1, cache=None))
    assert not found.present.any()


@pytest.mark.parametrize("content", [b"", b"torn", b"PK\x03\x04torn"])
def test_a_broken_scan_is_refused(folder: Path, tmp_path: Path, content: bytes) -> None:
    scan(folder, tmp_path)
    (kept,) = tmp_path.glob("*.npz")
    kept.write_bytes(content)
    with pytest.raises(EvaluationError, match=r"scan-\w+\.npz is no scan of images .*: delete it"):
        scan(folder, tmp_path)


def test_an_audit_from_kept_scans_says_the_same(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = write_cases(tmp_path / "evaluation", [*CLEAN, TRAINING[0]], split=Split.TEST)
    request = OverlapRequest((folder,), evaluation, cache=tmp_path / "cache")
    first = audit_record(audit_manifests(request))
    monkeypatch.setattr(scan_cache, "scan_images", nothing_is_read)
    assert audit_record(audit_manifests(request)) == first
    assert len(list((tmp_path / "cache").iterdir())) == 2
