"""Open-I reports are read, or refused with a plain reason."""

from pathlib import Path

import pytest

from cxr_clip.errors import ReportError
from cxr_clip.prepare.openi_report import parse_xml, read_openi_report


def test_a_report_is_read(tmp_path: Path, write_report) -> None:
    names = ["CXR5_1_IM-0001-3001", "CXR5_1_IM-0001-3001", "CXR5_1_IM-0001-4001"]
    path = write_report(tmp_path, 5, images=names, findings="Clear &amp; calm.", terms=["Opacity/lung", "normal "])
    report = read_openi_report(tmp_path, path.relative_to(tmp_path).as_posix())
    assert (report.id, report.images, report.terms) == ("CXR5", tuple(names[1:]), ("Opacity/lung", "normal"))
    assert report.sections["findings"] == "Clear & calm."
    assert "impression" not in report.sections
    assert report.is_usable


def test_a_report_without_its_number_takes_that_of_its_file(tmp_path: Path) -> None:
    for name in ("12.xml", "other.xml"):
        (tmp_path / name).write_text("<eCitation/>")
    assert read_openi_report(tmp_path, "12.xml").id == "CXR12"
    assert read_openi_report(tmp_path, "other.xml").id == "other"
    assert not read_openi_report(tmp_path, "12.xml").is_usable


BOMB = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><eCitation>&y;</eCitation>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"<eCitation><uId", "XML is broken"),
        (b"<html><body>404</body></html>", "its root is not eCitation"),
        (b"\xff\xfe\x00\x01", "XML is broken"),
        (b'<?xml version="1.0" encoding="no-such"?><eCitation/>', "XML is broken"),
        (BOMB, "declares a document type"),
        (BOMB.decode().encode("utf-16"), "declares a document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><eCitation/>', "declares a document type"),
    ],
)
def test_what_is_no_report_gets_a_plain_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "1.xml").write_bytes(data)
    with pytest.raises(ReportError, match=reason):
        read_openi_report(tmp_path, "1.xml")


def test_a_missing_file_gets_a_plain_reason(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="cannot be read"):
        read_openi_report(tmp_path, "1.xml")


def test_no_cut_of_a_report_raises_anything_but_a_report_error(tmp_path: Path, write_report) -> None:
    data = write_report(tmp_path, 1, images=["CXR1_1_IM-1"]).read_bytes()
    for end in range(len(data)):
        with pytest.raises(ReportError):
            parse_xml(data[:end])
