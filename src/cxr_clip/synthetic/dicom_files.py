"""Made-up pictures as DICOM files, with headers, bit depths and transfer syntaxes as they occur."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import MissingPackageError
from cxr_clip.synthetic.acquisition import Picture

SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "JPEG baseline": "1.2.840.10008.1.2.4.50",
    "JPEG lossless": "1.2.840.10008.1.2.4.70",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG-LS near lossless": "1.2.840.10008.1.2.4.81",
    "JPEG 2000 lossless": "1.2.840.10008.1.2.4.90",
    "JPEG 2000": "1.2.840.10008.1.2.4.91",
    "RLE": "1.2.840.10008.1.2.5",
}
_DIGITAL_X_RAY = "1.2.840.10008.5.1.4.1.1.1.1"
_JPEG_QUALITY = 90
_LOSSY_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "JPEG-LS near lossless": {"jls_error": 2},
    "JPEG 2000": {"j2k_cr": [12]},
}


@dataclass(frozen=True)
class DicomStyle:
    """How a picture is stored: a transfer syntax by name, bits stored, black and white exchanged, window, rescale."""

    syntax: str
    bits: int = 8
    inverted: bool = False
    windowed: bool = False
    intercept: int = 0


@dataclass(frozen=True)
class DicomHeader:
    """Who and what: made-up UIDs and patient, and the texts of age, sex and view; an empty text is left out."""

    study: str
    series: str
    instance: str
    patient: str
    age: str
    sex: str
    view: str


def draw_style(rng: np.random.Generator, *, bits: tuple[int, ...], syntaxes: tuple[str, ...]) -> DicomStyle:
    """A style as it might come from any maker; lossy JPEG holds 8 bits, and what has more has a window mostly."""
    syntax = str(rng.choice(syntaxes))
    depth = 8 if syntax == "JPEG baseline" else int(rng.choice(bits))
    return DicomStyle(
        syntax=syntax,
        bits=depth,
        inverted=bool(rng.random() < 0.25),
        windowed=bool(depth > 8 and rng.random() < 0.8),
        intercept=-1024 if depth == 12 and rng.random() < 0.2 else 0,
    )


def uid(*numbers: int) -> str:
    """A made-up UID below a root that is free for tests."""
    return ".".join(["1.2.826.0.1.3680043.8.498", *map(str, numbers)])


def dicom_bytes(picture: Picture, header: DicomHeader, style: DicomStyle) -> bytes:
    """A picture (8-bit grey) as the bytes of a DICOM file, which shows the picture again, whatever the style.

    Without a window its contrast is left to the viewer. Raises MissingPackageError where pydicom is not installed.
    """
    dataset = _dataset(picture, header, style)
    codes = _codes(picture, style)
    name = style.syntax
    if name.startswith("JPEG ") and "2000" not in name:
        _put_jpeg(dataset, codes, name)
    else:
        dataset.PixelData = codes.tobytes()
        if name not in ("implicit", "explicit"):
            options = _LOSSY_OPTIONS.get(name, {})
            dataset.compress(SYNTAXES[name], generate_instance_uid=False, **options)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _pydicom() -> ModuleType:
    try:
        import pydicom
    except ImportError as error:
        raise MissingPackageError('DICOM images need pydicom: pip install "cxr-clip[dicom]"') from error
    return pydicom  # type: ignore[no-any-return]


def _dataset(picture: Picture, header: DicomHeader, style: DicomStyle) -> Any:
    """The data set without its pixels."""
    pydicom = _pydicom()
    dataset = pydicom.dataset.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    native = style.syntax in ("implicit", "explicit")
    dataset.file_meta.TransferSyntaxUID = SYNTAXES[style.syntax if native else "explicit"]
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = _DIGITAL_X_RAY
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = header.instance
    dataset.Modality, dataset.BodyPartExamined = "DX", "CHEST"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = header.study, header.series
    dataset.PatientID, dataset.PatientName = header.patient, header.patient
    for tag, kind, text in (
        ("PatientAge", "AS", header.age),
        ("PatientSex", "CS", header.sex),
        ("ViewPosition", "CS", header.view),
    ):
        if text:
            # Not checked, because real headers stray from the standard too ("58" years without a letter).
            loose = pydicom.config.IGNORE
            dataset.add(pydicom.dataelem.DataElement(tag, kind, text, validation_mode=loose))
    dataset.Rows, dataset.Columns = picture.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated = 8 if style.bits == 8 else 16
    dataset.BitsStored, dataset.HighBit = style.bits, style.bits - 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if style.inverted else "MONOCHROME2"
    if style.intercept:
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, style.intercept
    if style.windowed:
        dataset.WindowCenter, dataset.WindowWidth = (1 << style.bits - 1) + style.intercept, 1 << style.bits
    return dataset


def _codes(picture: Picture, style: DicomStyle) -> NDArray[Any]:
    """The stored values."""
    highest = (1 << style.bits) - 1
    kind = np.uint8 if style.bits == 8 else np.uint16
    codes: NDArray[Any] = np.rint(picture.astype(np.float64) * (highest / 255)).astype(kind)
    return highest - codes if style.inverted else codes


def _put_jpeg(dataset: Any, codes: NDArray[Any], name: str) -> None:
    """Put the pixels into one JPEG frame, which pydicom itself does not write."""
    if name == "JPEG baseline":
        done, data = cv2.imencode(".jpg", codes, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        assert done, "a picture of 8 bits always encodes"
        frame = data.tobytes()
        dataset.LossyImageCompression, dataset.LossyImageCompressionMethod = "01", "ISO_10918_1"
    else:
        import imagecodecs

        frame = bytes(imagecodecs.ljpeg_encode(codes, bitspersample=dataset.BitsStored))
    dataset.PixelData = _pydicom().encaps.encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = SYNTAXES[name]
