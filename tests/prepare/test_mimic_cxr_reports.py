"""Reports of MIMIC-CXR: one at a time, from texts or from the zip; what cannot be read is a reason, not a crash."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from cxr_clip.errors import ReportError, SourceError
from cxr_clip.prepare.mimic_cxr_layout import FoundImages, find_layout
from cxr_clip.prepare.mimic_cxr_reports import MAX_BYTES, Reports, find_reports, report_path
from cxr_clip.prepare.mimic_cxr_tables import study_key

KEY = study_key(10_000_032, 50_414_267)
PATH = "p10/p10000032/s50414267.txt"


def reports(raw: Path, given: Path | None = None) -> Reports | None:
    layout = find_layout(raw)
    found = FoundImages(raw, (), np.zeros(0, np.uint16), [], 0, dict.fromkeys(layout.trees, 1))
    return find_reports(layout, found, given)


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def as_text(folder: Path, data: bytes) -> Reports | None:
    path = folder / "files" / PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return reports(folder)


def as_zip(folder: Path, data: bytes) -> Reports | None:
    zipped(folder / "mimic-cxr-reports.zip", {f"files/{PATH}": data})
    return reports(folder)


@pytest.mark.parametrize("store", [as_text, as_zip])
def test_a_report_is_read_by_its_study(tmp_path: Path, store) -> None:
    found = store(tmp_path, b"\xef\xbb\xbf FINDINGS: clear.\0")
    assert report_path(KEY) == PATH
    assert found.text(KEY) == " FINDINGS: clear."
    assert found.text(study_key(10_000_032, 5)) is None


@pytest.mark.parametrize("store", [as_text, as_zip])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the report is empty"),
        (b" \r\n\0\0", "the report is empty"),
        (b"\xff\xfeF\0", "no text in UTF-8"),
        (b"x" * (MAX_BYTES + 1), "larger than 100,000 bytes"),
    ],
)
def test_a_report_that_cannot_be_used_has_a_reason(tmp_path: Path, store, data: bytes, reason: str) -> None:
    with pytest.raises(ReportError, match=reason):
        store(tmp_path, data).text(KEY)


def test_a_folder_in_place_of_a_report_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "files" / PATH).mkdir(parents=True)
    with pytest.raises(ReportError, match="cannot be read"):
        reports(tmp_path).text(KEY)


def test_a_damaged_member_has_a_reason_and_the_others_are_read(tmp_path: Path) -> None:
    other = "files/p10/p10000032/s5.txt"
    path = zipped(tmp_path / "mimic-cxr-reports.zip", {f"files/{PATH}": b"clear " * 50, other: b"The lungs are clear."})
    data = bytearray(path.read_bytes())
    start = data.index(PATH.encode()) + len(PATH)
    data[start : start + 8] = bytes(8)
    path.write_bytes(data)
    found = reports(tmp_path)
    with pytest.raises(ReportError, match="the report in the zip is damaged"):
        found.text(KEY)
    assert found.text(study_key(10_000_032, 5)) == "The lungs are clear."


def test_members_are_found_below_any_folder_or_none(tmp_path: Path) -> None:
    for name in (PATH, f"mimic-cxr-reports/files/{PATH}"):
        path = zipped(tmp_path / "texts.zip", {"README": b"x", name: b"The lungs are clear."})
        assert reports(tmp_path, path).text(KEY) == "The lungs are clear."


def test_the_zip_comes_before_texts_and_the_first_tree_counts(tmp_path: Path) -> None:
    for folder, text in (("a", b"first"), ("b", b"second")):
        path = tmp_path / folder / "files" / PATH
        path.parent.mkdir(parents=True)
        path.write_bytes(text)
    assert reports(tmp_path).text(KEY) == "first"
    zipped(tmp_path / "mimic-cxr-reports.zip", {f"files/{PATH}": b"third"})
    assert reports(tmp_path).text(KEY) == "third"


def test_no_reports_at_all_are_none(tmp_path: Path) -> None:
    assert reports(tmp_path) is None


@pytest.mark.parametrize("data", [b"", b"no zip at all", b"PK\x03\x04" + bytes(60)])
def test_a_broken_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "mimic-cxr-reports.zip"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"is no whole zip .*download it again"):
        reports(tmp_path)


def test_a_cut_off_zip_and_one_of_something_else_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "mimic-cxr-reports.zip", {f"files/{PATH}": b"clear"})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SourceError, match="no whole zip"):
        reports(tmp_path)
    with pytest.raises(SourceError, match="has no report"):
        reports(tmp_path, zipped(tmp_path / "other.zip", {"a.txt": b"x"}))


def test_a_named_folder_without_reports_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"has neither mimic-cxr-reports\.zip nor a folder with p10"):
        reports(tmp_path, tmp_path / "empty")
    with pytest.raises(SourceError, match="there is no folder"):
        reports(tmp_path, tmp_path / "nowhere")
