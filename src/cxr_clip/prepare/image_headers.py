"""What a manifest keeps of the header of an image file: size, view, age, sex, patient id. No pixel is decoded."""

import struct
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from PIL import Image

from cxr_clip.errors import MissingPackageError
from cxr_clip.prepare.label_values import sex_of, years_of
from cxr_clip.study import View

DICOM_SUFFIXES = (".dicom", ".dcm")
_TAGS = ("Rows", "Columns", "ViewPosition", "PatientAge", "PatientSex", "PatientID")
_VIEWS = {"PA": View.PA, "AP": View.AP, "LL": View.LATERAL, "RL": View.LATERAL, "LATERAL": View.LATERAL}

# In this transfer syntax the header is packed together with the pixels: it cannot be had without them.
_DEFLATED = b"1.2.840.10008.1.2.1.99"
# A file begins with 128 bytes of any kind, "DICM", and the length of the elements that name the transfer syntax.
_PREAMBLE, _GROUP_LENGTH = 128, b"DICM\x02\x00\x00\x00UL\x04\x00"
_MAX_META_BYTES = 1 << 20

# What pydicom and Pillow raise on damaged files; the decoder, which comes later, says what is wrong with them.
_DAMAGE = (
    AttributeError, KeyError, ValueError, TypeError, NotImplementedError, RuntimeError, OSError, EOFError, IndexError,
    OverflowError, MemoryError, SyntaxError, struct.error, Image.DecompressionBombError,
)  # fmt: skip


@dataclass(frozen=True)
class ImageHeader:
    """The header of one image file; what it does not say, or says in no usable way, is None. Sides in pixels."""

    height: int | None = None
    width: int | None = None
    view: View | None = None
    age: float | None = None
    sex: str | None = None
    patient: str | None = None


def read_header(path: Path) -> ImageHeader:
    """Read the header of a DICOM file (by its suffix) or of another image; an unreadable one says nothing.

    Raises MissingPackageError where pydicom is not installed.
    """
    read = _of_dicom_file if path.suffix.lower() in DICOM_SUFFIXES else _of_picture
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read(path)
        except _DAMAGE:
            return ImageHeader()


def dicom_header(data: bytes) -> ImageHeader:
    """Read the header of the bytes of a DICOM file, as `read_header` does that of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _of_dicom(BytesIO(data))


def size_as_distributed(path: str, header: ImageHeader, *, side: int) -> tuple[int, int]:
    """Height and width of an image in its data set: what a DICOM file says, `side` for what was converted from one.

    Raises ValueError for a DICOM file whose header does not say it.
    """
    if PurePosixPath(path).suffix.lower() not in DICOM_SUFFIXES:
        return side, side
    if header.height is None or header.width is None:
        raise ValueError("the header does not say how large the image is")
    return header.height, header.width


def _of_dicom_file(path: Path) -> ImageHeader:
    with path.open("rb") as file:
        return _of_dicom(file)


def _of_dicom(file: BinaryIO) -> ImageHeader:
    try:
        import pydicom
    except ImportError as error:
        raise MissingPackageError('DICOM images need pydicom: pip install "cxr-clip[dicom]"') from error
    damage = (*_DAMAGE, pydicom.errors.BytesLengthException, pydicom.errors.InvalidDicomError)
    if _is_deflated(file):
        return ImageHeader()
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(_TAGS))
    except damage:
        return ImageHeader()
    said = {tag: _said(dataset, tag, damage) for tag in _TAGS}
    return ImageHeader(
        height=_side(said["Rows"]),
        width=_side(said["Columns"]),
        view=_VIEWS.get(said["ViewPosition"].upper()),
        age=years_of(said["PatientAge"]),
        sex=sex_of(said["PatientSex"]),
        patient=said["PatientID"] or None,
    )


def _is_deflated(file: BinaryIO) -> bool:
    """Whether the elements before the data set, however many they are, name the deflated transfer syntax."""
    start = file.read(_PREAMBLE + len(_GROUP_LENGTH) + 4)
    said = start.startswith(_GROUP_LENGTH, _PREAMBLE)
    length = int.from_bytes(start[-4:], "little") if said else _MAX_META_BYTES
    start += file.read(min(length, _MAX_META_BYTES))
    file.seek(0)
    return _DEFLATED in start


def _said(dataset: Any, tag: str, damage: tuple[type[Exception], ...]) -> str:
    """The text of an element; "" where it is absent or its bytes are none of its kind."""
    try:
        return str(dataset.get(tag) or "").strip()
    except damage:
        return ""


def _side(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _of_picture(path: Path) -> ImageHeader:
    with Image.open(path) as image:
        return ImageHeader(height=image.height, width=image.width)
