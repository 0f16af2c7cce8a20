"""A made-up DICOM file shows its picture again, in every transfer syntax and depth that is written."""

import io

import numpy as np
import pydicom
import pytest

from cxr_clip.data.images import decode_image
from cxr_clip.synthetic.dicom_files import SYNTAXES, DicomHeader, DicomStyle, dicom_bytes, draw_style, uid

HEADER = DicomHeader(uid(1), uid(1, 1), uid(1, 1, 1), patient="p1", age="58", sex="F", view="PA")
LOSS = {"JPEG baseline": 12, "JPEG 2000": 25, "JPEG-LS near lossless": 2}


def picture() -> np.ndarray:
    """A smooth picture from black to white, higher than wide."""
    down, across = np.mgrid[0:80, 0:64]
    waves = np.sin(down / 9) * np.cos(across / 7)
    return np.rint((waves - waves.min()) / (waves.max() - waves.min()) * 255).astype(np.uint8)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("inverted", [False, True])
def test_the_picture_comes_back(syntax: str, bits: int, inverted: bool) -> None:
    if syntax == "JPEG baseline" and bits > 8:
        pytest.skip("baseline JPEG has 8 bits")
    for windowed in (False, True):
        style = DicomStyle(syntax, bits, inverted, windowed, intercept=-1024 if bits == 12 else 0)
        data = dicom_bytes(picture(), HEADER, style)
        difference = np.abs(decode_image(data).astype(int) - picture())
        assert difference.max() <= LOSS.get(syntax, 1)
        assert dicom_bytes(picture(), HEADER, style) == data


def test_the_header_says_what_it_was_given_even_what_strays_from_the_standard() -> None:
    dataset = pydicom.dcmread(io.BytesIO(dicom_bytes(picture(), HEADER, DicomStyle("explicit", 12, windowed=True))))
    assert dataset.file_meta.TransferSyntaxUID == SYNTAXES["explicit"]
    assert (dataset.PatientID, str(dataset.PatientAge), dataset.PatientSex) == ("p1", "58", "F")
    assert (dataset.ViewPosition, dataset.Rows, dataset.Columns, dataset.BitsStored) == ("PA", 80, 64, 12)
    assert (dataset.StudyInstanceUID, dataset.SOPInstanceUID) == (HEADER.study, HEADER.instance)
    assert (dataset.WindowCenter, dataset.WindowWidth) == (2048, 4096)


def test_styles_vary_as_makers_do() -> None:
    rng = np.random.default_rng(0)
    styles = [draw_style(rng, bits=(8, 12), syntaxes=("JPEG baseline", "RLE", "implicit")) for _ in range(100)]
    assert {style.syntax for style in styles} == {"JPEG baseline", "RLE", "implicit"}
    assert {style.bits for style in styles if style.syntax == "JPEG baseline"} == {8}
    assert {(style.bits, style.inverted) for style in styles} >= {(8, False), (8, True), (12, False), (12, True)}
    assert {style.windowed for style in styles} == {style.intercept < 0 for style in styles} == {False, True}
