"""Headers give size, view, age, sex and patient without a pixel; what is damaged or absurd says nothing."""

import io
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxr_clip.prepare.image_headers import ImageHeader, read_header, size_as_distributed
from cxr_clip.study import View
from cxr_clip.synthetic.dicom_files import SYNTAXES, DicomHeader, DicomStyle, dicom_bytes, uid


def made_up(syntax: str = "explicit", **changes: str) -> bytes:
    import numpy as np

    said = {"patient": "p1", "age": "041Y", "sex": "M", "view": "PA", **changes}
    picture = np.random.default_rng(0).integers(0, 256, (48, 40), dtype=np.uint8)
    return dicom_bytes(picture, DicomHeader(uid(1), uid(2), uid(3), **said), DicomStyle(syntax))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_syntax_has_a_header(tmp_path: Path, syntax: str) -> None:
    (tmp_path / "a.dcm").write_bytes(made_up(syntax))
    assert read_header(tmp_path / "a.dcm") == ImageHeader(48, 40, View.PA, 41.0, "M", "p1")


def test_the_pixels_need_not_be_there(tmp_path: Path) -> None:
    data = made_up()
    (tmp_path / "a.dicom").write_bytes(data[: -48 * 40])
    assert read_header(tmp_path / "a.dicom").height == 48


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"age": "18M"}, {"age": 1.5}),
        ({"age": "412Y"}, {"age": None}),
        ({"age": ""}, {"age": None}),
        ({"sex": "O"}, {"sex": None}),
        ({"view": "LL"}, {"view": View.LATERAL}),
        ({"view": "SKYLINE"}, {"view": None}),
        ({"patient": ""}, {"patient": None}),
    ],
)
def test_odd_values_say_nothing(tmp_path: Path, changes: dict[str, str], expected: dict[str, object]) -> None:
    (tmp_path / "a.dcm").write_bytes(made_up(**changes))
    header = read_header(tmp_path / "a.dcm")
    assert {name: getattr(header, name) for name in expected} == expected


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html>", bytes(200), made_up()[:140], b"\x08\x00" * 300])
def test_a_damaged_file_says_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.dcm").write_bytes(data)
    assert read_header(tmp_path / "a.dcm") == ImageHeader()
    (tmp_path / "a.png").write_bytes(data)
    assert read_header(tmp_path / "a.png") == ImageHeader()


def test_a_deflated_header_is_not_unpacked(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(io.BytesIO(made_up()))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "a.dcm")
    assert read_header(tmp_path / "a.dcm") == ImageHeader()
    # A long element before the syntax of a long header, which is none of the first 1,024 bytes.
    dataset.file_meta.MediaStorageSOPInstanceUID = None
    dataset.file_meta[0x00020001].value = b"\x00\x01" * 2000
    dataset.save_as(tmp_path / "b.dcm", enforce_file_format=False)
    assert (tmp_path / "b.dcm").read_bytes().index(b"1.2.840.10008.1.2.1.99") > 1024
    assert read_header(tmp_path / "b.dcm") == ImageHeader()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=6), st.integers(0, 900))
def test_changed_bytes_never_break_the_reading(tmp_path: Path, changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(made_up())
    for place, value in changes:
        data[place] = value
    (tmp_path / "a.dcm").write_bytes(bytes(data if end > 600 else data[:end]))
    assert isinstance(read_header(tmp_path / "a.dcm"), ImageHeader)


def test_a_picture_says_its_size(tmp_path: Path, write_picture) -> None:
    assert read_header(write_picture(tmp_path / "a.png", size=(24, 16))) == ImageHeader(16, 24)


def test_converted_images_have_the_size_of_the_originals() -> None:
    assert size_as_distributed("x/a.PNG", ImageHeader(16, 24), side=1024) == (1024, 1024)
    assert size_as_distributed("x/a.DCM", ImageHeader(16, 24), side=1024) == (16, 24)
    with pytest.raises(ValueError, match="does not say how large"):
        size_as_distributed("x/a.dcm", ImageHeader(), side=1024)
