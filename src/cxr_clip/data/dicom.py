"""From the bytes of a DICOM file to one 8-bit grey picture; the only user of pydicom."""

import io
import struct
import warnings
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from jaxtyping import Num, Shaped, UInt8

from cxr_clip.errors import ImageError, MissingPackageError

_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
_JPEG_LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
_JPEG = (_JPEG_BASELINE, _JPEG_EXTENDED, *_JPEG_LOSSLESS)

# What pydicom and its decoders raise on damaged files.
_DAMAGE = (
    AttributeError, KeyError, ValueError, TypeError, NotImplementedError, RuntimeError, OSError, EOFError, IndexError,
    OverflowError, MemoryError, struct.error,
)  # fmt: skip


def looks_like_dicom(data: bytes) -> bool:
    """Whether bytes are DICOM: the mark "DICM" at byte 128, or data elements of group 2 or 8 from the first byte on."""
    if data[128:132] == b"DICM":
        return True
    return data[:2] in (b"\x02\x00", b"\x08\x00") and data[3:4] == b"\x00" and len(data) > 132


def decode_dicom(data: bytes, *, max_pixels: int = 80_000_000) -> UInt8[np.ndarray, "height width"]:
    """Decode a single-frame DICOM image to 8-bit grey with bone white and air dark.

    The modality LUT (or rescale) comes first, then the VOI LUT or the first window, then the range in use is
    stretched to 0..255; 8-bit pixels without a window are taken as they are. MONOCHROME1 is inverted and
    padding becomes black (PS3.3 C.7.6.3, C.11.1, C.11.2). Colour becomes luma.
    Raises ImageError with the reason, and MissingPackageError where pydicom is not installed.
    """
    _pydicom()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of every value that strays from the standard
        dataset = _read(data)
        _check_header(dataset, max_pixels)
        pixels = _pixels(dataset)
        if pixels.ndim == 3:
            return _luma(pixels)
        if pixels.ndim != 2:
            raise ImageError("the DICOM file has several frames")
        try:
            return _picture(dataset, pixels)
        except _DAMAGE as error:
            raise ImageError("the DICOM display values (rescale, LUT or window) are damaged") from error


def _pydicom() -> ModuleType:
    try:
        import pydicom
    except ImportError as error:
        raise MissingPackageError('DICOM images need pydicom: pip install "cxr-clip[dicom]"') from error
    return pydicom  # type: ignore[no-any-return]


def _read(data: bytes) -> Any:
    """Parse the data set; without file meta the transfer syntax is the one that parsing found."""
    pydicom = _pydicom()
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        if "TransferSyntaxUID" not in dataset.file_meta:
            implicit, little = dataset.original_encoding
            syntaxes = {(True, True): "1.2.840.10008.1.2", (False, True): "1.2.840.10008.1.2.1"}
            syntax = syntaxes.get((bool(implicit), bool(little)), "1.2.840.10008.1.2.2")
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(syntax)
    except (*_DAMAGE, pydicom.errors.InvalidDicomError) as error:
        raise ImageError("the DICOM header is damaged") from error
    return dataset


def _check_header(dataset: Any, max_pixels: int) -> None:
    """Refuse, before any pixel is decoded, what is no single picture of a sensible size."""
    try:
        rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
        frames = int(dataset.get("NumberOfFrames") or 1)
        kind = str(dataset.get("PhotometricInterpretation") or "")
    except _DAMAGE as error:
        raise ImageError("the DICOM header is damaged") from error
    if "PixelData" not in dataset or rows == 0 or columns == 0:
        raise ImageError("the DICOM file has no image")
    if rows * columns > max_pixels:
        raise ImageError(f"the header promises more than {max_pixels:,} pixels")
    if frames > 1:
        raise ImageError("the DICOM file has several frames")
    if kind not in ("MONOCHROME1", "MONOCHROME2", "RGB") and not kind.startswith("YBR"):
        raise ImageError(f"the DICOM file's colours are {kind or 'not named'}, which is not supported")


def _pixels(dataset: Any) -> Shaped[np.ndarray, "height width ..."]:
    """Decode the stored values, through imagecodecs where pydicom's own decoders cannot."""
    pydicom = _pydicom()
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    try:
        return np.asarray(pydicom.pixels.pixel_array(dataset))
    except _DAMAGE as error:
        if syntax in _JPEG:
            return _pixels_of_jpeg(dataset, syntax)
        raise ImageError(f"the DICOM pixels ({dataset.file_meta.TransferSyntaxUID.name}) cannot be decoded") from error


def _pixels_of_jpeg(dataset: Any, syntax: str) -> Shaped[np.ndarray, "height width ..."]:
    """Decode JPEG, 12-bit and lossless ones too, whose bit depth is in the JPEG header."""
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingPackageError('JPEG in DICOM needs imagecodecs: pip install "cxr-clip[dicom]"') from error
    name = dataset.file_meta.TransferSyntaxUID.name
    try:
        frame = _pydicom().encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
        decode = imagecodecs.ljpeg_decode if syntax in _JPEG_LOSSLESS else imagecodecs.jpeg_decode
        pixels = np.asarray(decode(frame))
    except (*_DAMAGE, imagecodecs.DelayedImportError) as error:
        raise ImageError(f"the DICOM pixels ({name}) cannot be decoded") from error
    if pixels.shape[:2] != (dataset.Rows, dataset.Columns):
        raise ImageError(f"the DICOM pixels ({name}) have another size than the header says")
    return pixels


def _luma(pixels: Shaped[np.ndarray, "height width channels"]) -> UInt8[np.ndarray, "height width"]:
    if pixels.dtype != np.uint8 or pixels.shape[2] != 3:
        raise ImageError("the DICOM file has several frames or a colour depth other than 8 bits")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _picture(dataset: Any, stored: Num[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Bring stored grey values to 8 bits as a viewer would show them."""
    pydicom = _pydicom()
    padding = _padding(dataset, stored)
    values = pydicom.pixels.apply_modality_lut(stored, dataset)
    windowed = _has_voi(dataset)
    if windowed:
        values = pydicom.pixels.apply_voi_lut(values, dataset, index=0)
    eight = stored.dtype == np.uint8 and not windowed and values.dtype == np.uint8
    shown = np.asarray(values, dtype=np.uint8) if eight else _stretched(values, padding)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 255 - shown
    return np.where(padding, np.uint8(0), shown)


def _padding(dataset: Any, stored: Num[np.ndarray, "height width"]) -> Shaped[np.ndarray, "height width"]:
    """Where the image is padding: equal to the padding value, or between it and its range limit."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=np.bool_)
    limit = dataset.get("PixelPaddingRangeLimit", value)
    low, high = sorted((int(value), int(limit)))
    inside = (stored >= low) & (stored <= high)
    return np.zeros_like(inside) if inside.all() else inside


def _has_voi(dataset: Any) -> bool:
    """Whether a VOI LUT or a usable window is there; a window narrower than 1 is none (PS3.3 C.11.2.1.2)."""
    if dataset.get("VOILUTSequence"):
        return True
    width, centre = dataset.get("WindowWidth"), dataset.get("WindowCenter")
    if width is None or centre is None:
        return False
    first = width[0] if isinstance(width, (list, tuple)) or hasattr(width, "append") else width
    return float(first) >= 1.0


def _stretched(
    values: Num[np.ndarray, "height width"], padding: Shaped[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width"]:
    """Map the range that is in use outside the padding to 0..255; a flat picture is black."""
    used = values[~padding]
    low, high = float(used.min()), float(used.max())
    scaled = (values.astype(np.float32) - low) * (255.0 / max(high - low, 1e-6))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), dtype=np.uint8)
