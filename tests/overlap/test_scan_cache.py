"""A second audit of the same images reads none of them; other images, and other shards, are read."""

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.scan import Scan
from cxr_clip.errors import EvaluationError
from cxr_clip.overlap import scan_cache
from cxr_clip.overlap.audit_manifests import OverlapRequest, audit_manifests
from cxr_clip.overlap.scan_cache import images_digest, scanned
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


def test_other_images_and_other_shards_have_scans_of_their_own(folder: Path, tmp_path: Path) -> None:
    manifest = read_manifest(folder)
    whole = images_digest(manifest.table, manifest.root)
    assert images_digest(manifest.table.slice(1), manifest.root) != whole
    assert images_digest(manifest.table, tmp_path) != whole
    (shard,) = (folder / "shards").iterdir()
    os.utime(shard, (1, 1))
    assert images_digest(manifest.table, manifest.root) != whole


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
