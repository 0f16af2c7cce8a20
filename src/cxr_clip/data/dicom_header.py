"""What a DICOM file says of its one picture, checked before a pixel is touched.

Only the attributes of the image are parsed (by pydicom): nothing of the patient is taken up, and no reason quotes one.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from cxr_clip.data.dicom_display import Display, Lookup, Window
from cxr_clip.data.dicom_pixels import Frame
from cxr_clip.errors import ImageError, ImageTooLargeError, MissingPackageError

_IMPLICIT, _EXPLICIT, _BIG_ENDIAN = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
_DEFLATED, _RLE = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"
_JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81, 90, 91, 201, 202, 203))
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PHOTOMETRIC = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", *_COLOURS)
_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_PALETTES = ("Red", "Green", "Blue")
_TAGS = [
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "VOILUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "PixelData", "FloatPixelData", "DoubleFloatPixelData",
    *(f"{colour}PaletteColorLookupTable{what}" for colour in _PALETTES for what in ("Descriptor", "Data")),
]  # fmt: skip
# What a header and its tables may take beside the pixels.
_HEADER_BYTES = 50_000_000
# No slope, intercept or window of 16-bit values comes near.
_LARGEST = 1e12

# What pydicom raises on damaged files.
_DAMAGE = (
    AttributeError, KeyError, ValueError, TypeError, NotImplementedError, RuntimeError, OSError, EOFError, IndexError,
    OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip


def read_header(data: bytes, *, max_pixels: int) -> tuple[Frame, Display]:
    """Read how the picture of a DICOM file is stored, and how it is to be shown.

    Raises ImageError with the reason where there is no single picture of at most `max_pixels`, and
    MissingPackageError where pydicom is not installed.
    """
    errors = _pydicom().errors
    damage = (*_DAMAGE, errors.InvalidDicomError, errors.BytesLengthException)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of every value that strays from the standard
        try:
            dataset, syntax = _parse(_inflated(data, max_pixels))
            frame = _frame(dataset, syntax, max_pixels)
        except damage as error:
            raise ImageError("the DICOM header is damaged") from error
        try:
            return frame, _display(dataset, frame)
        except damage as error:
            raise ImageError("the DICOM display values (rescale, LUT or window) are damaged") from error


def _pydicom() -> ModuleType:
    try:
        import pydicom
    except ImportError as error:
        raise MissingPackageError('DICOM images need pydicom: pip install "cxr-clip[dicom]"') from error
    return pydicom  # type: ignore[no-any-return]


def _parse(data: bytes) -> tuple[Any, str]:
    """Parse the data set; without file meta the transfer syntax is the one that parsing found."""
    dataset = _pydicom().dcmread(io.BytesIO(data), force=True, specific_tags=_TAGS)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID") or "")
    if not syntax:
        implicit, little = dataset.original_encoding
        syntax = (_IMPLICIT if implicit else _EXPLICIT) if little else _BIG_ENDIAN
    return dataset, syntax


def _inflated(data: bytes, max_pixels: int) -> bytes:
    """Undo deflation, which hides the header too, up to the size that a picture can have."""
    if _DEFLATED.encode() not in data:
        return data
    meta, syntax = _meta(data)
    if syntax not in (_DEFLATED, ""):
        return data
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(data[len(meta) :], 2 * max_pixels + _HEADER_BYTES)
    if inflater.unconsumed_tail:
        raise ImageError("the deflated DICOM data are larger than any picture")
    # A UID may be filled up with zero bytes.
    return meta.replace(_DEFLATED.encode(), _EXPLICIT.encode().ljust(len(_DEFLATED), b"\0")) + body


def _meta(data: bytes) -> tuple[bytes, str]:
    """The bytes up to the end of the meta information (explicit, little endian), and the transfer syntax it names."""
    place, syntax = 132 if data[128:132] == b"DICM" else 0, ""
    while data[place : place + 2] == b"\x02\x00":
        is_long = data[place + 4 : place + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT")
        start = place + (12 if is_long else 8)
        end = start + int.from_bytes(data[start - (4 if is_long else 2) : start], "little")
        if data[place + 2 : place + 4] == b"\x10\x00":
            syntax = data[start:end].rstrip(b"\0 ").decode("ascii", "replace")
        place = end
    return data[:place], syntax


def _frame(dataset: Any, syntax: str, max_pixels: int) -> Frame:
    """Refuse what is no single picture of a sensible size; say how the pixels lie."""
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise ImageError("the DICOM pixels are fractions, which is not supported")
    height, width = _number(dataset, "Rows", 0), _number(dataset, "Columns", 0)
    if not dataset.get("PixelData") or height < 1 or width < 1:
        raise ImageError("the DICOM file has no image")
    if height * width > max_pixels:
        raise ImageTooLargeError(f"the header promises more than {max_pixels:,} pixels")
    if _number(dataset, "NumberOfFrames", 1) > 1:
        raise ImageError("the DICOM file has several frames")
    channels, photometric = _number(dataset, "SamplesPerPixel", 1), str(dataset.get("PhotometricInterpretation") or "")
    if photometric not in _PHOTOMETRIC or channels != (3 if photometric in _COLOURS else 1):
        raise ImageError("the DICOM file's colours (photometric interpretation) are missing or not supported")
    allocated = _number(dataset, "BitsAllocated", 16)
    stored = _number(dataset, "BitsStored", allocated)
    high_bit = _number(dataset, "HighBit", stored - 1)
    if allocated not in (8, 16) or not 1 <= stored <= high_bit + 1 <= allocated:
        raise ImageError(f"the DICOM pixels have {stored} bits (the highest {high_bit}) in {allocated}: not supported")
    if channels == 3 and (allocated, stored) != (8, 8):
        raise ImageError("the DICOM file has a colour depth other than 8 bits")
    element = dataset["PixelData"]
    coding = _coding(syntax, encapsulated=element.is_undefined_length)
    return Frame(
        data=_pydicom().encaps.get_frame(element.value, 0, number_of_frames=1) if coding != "native" else element.value,
        syntax=_name(syntax),
        coding=coding,
        height=height,
        width=width,
        allocated=allocated,
        stored=stored,
        high_bit=high_bit,
        channels=channels,
        photometric=photometric,
        signed=_number(dataset, "PixelRepresentation", 0) == 1,
        planar=_number(dataset, "PlanarConfiguration", 0) == 1,
        big_endian=syntax == _BIG_ENDIAN,
    )


def _number(dataset: Any, name: str, default: int) -> int:
    value = dataset.get(name)
    return default if value is None or value == "" else int(value)


def _coding(syntax: str, *, encapsulated: bool) -> str:
    """How the pixels are coded; a file without meta information does not say what is in its capsule."""
    if syntax == _RLE:
        return "RLE"
    if syntax in _JPEG or (encapsulated and syntax in (_IMPLICIT, _EXPLICIT)):
        return "compressed"
    if syntax in (_IMPLICIT, _EXPLICIT, _BIG_ENDIAN):
        return "native"
    raise ImageError(f"the transfer syntax ({_name(syntax)}) is not supported")


def _name(syntax: str) -> str:
    """The transfer syntax in words; what is no registered syntax is not quoted, for it may be anything."""
    uid = _pydicom().uid.UID(syntax)
    return str(uid.name) if uid.is_transfer_syntax and uid.name != syntax else "unknown"


def _display(dataset: Any, frame: Frame) -> Display:
    slope, intercept = (
        _real(dataset, name, default) for name, default in (("RescaleSlope", 1), ("RescaleIntercept", 0))
    )
    if slope == 0:
        raise ValueError("slope")
    return Display(
        bits=frame.stored,
        signed=frame.signed,
        inverted=frame.photometric == "MONOCHROME1",
        slope=slope,
        intercept=intercept,
        modality=_lookup(dataset.get("ModalityLUTSequence"), big_endian=frame.big_endian),
        voi=_lookup(dataset.get("VOILUTSequence"), big_endian=frame.big_endian),
        window=_window(dataset),
        padding=_padding(dataset, frame),
        palette=_palette(dataset, frame) if frame.photometric == "PALETTE COLOR" else None,
    )


def _real(dataset: Any, name: str, default: float) -> float:
    value = dataset.get(name)
    return default if value is None or value == "" else _sensible(float(value))


def _sensible(value: float) -> float:
    """The value, if it is a number that can be reckoned with."""
    if not abs(value) < _LARGEST:
        raise ValueError("not a sensible number")
    return value


def _lookup(sequence: Any, *, big_endian: bool) -> Lookup | None:
    """The first table of a sequence."""
    if not sequence:
        return None
    return _table(sequence[0].LUTDescriptor, sequence[0].LUTData, big_endian=big_endian)


def _table(descriptor: Sequence[Any], data: Any, *, big_endian: bool) -> Lookup:
    """A table from its descriptor (entries, first input, bits) and its data (numbers, or bytes of 8 or 16 bits)."""
    entries, first = int(descriptor[0]) or 65536, int(descriptor[1])
    if isinstance(data, bytes):
        kind = np.dtype("u1") if len(data) < 2 * entries else np.dtype(">u2" if big_endian else "<u2")
        values = np.frombuffer(data[: entries * kind.itemsize], kind).astype(np.uint16)
    else:
        values = np.asarray(data, dtype=np.int64).reshape(-1)[:entries].astype(np.uint16)
    if len(values) != entries:
        raise ValueError("entries")
    return Lookup(first, values)


def _window(dataset: Any) -> Window | None:
    """The first window that its function allows; None if there is none."""
    centres, widths = (_reals(dataset.get(name)) for name in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if function not in _FUNCTIONS:
        raise ValueError("function")
    windows = (Window(centre, width, function) for centre, width in zip(centres, widths, strict=False))
    return next((window for window in windows if window.is_usable), None)


def _reals(value: Any) -> list[float]:
    """The numbers of an attribute that may have none, one or several values."""
    if value is None or value == "":
        return []
    return [_sensible(float(one)) for one in (value if hasattr(value, "append") else [value])]


def _padding(dataset: Any, frame: Frame) -> tuple[int, int] | None:
    """The range of stored values that are padding; a value that was written with the other sign is put right."""
    if dataset.get("PixelPaddingValue") is None:
        return None
    value = _number(dataset, "PixelPaddingValue", 0)
    pair = sorted(_signed(one, frame) for one in (value, _number(dataset, "PixelPaddingRangeLimit", value)))
    return pair[0], pair[1]


def _signed(value: int, frame: Frame) -> int:
    if frame.signed and value >= 1 << (frame.allocated - 1):
        return value - (1 << frame.allocated)
    return value + (1 << frame.allocated) if not frame.signed and value < 0 else value


def _palette(dataset: Any, frame: Frame) -> Lookup:
    """The luma (ITU-R 601) of each entry of the colour table."""
    tables = []
    for colour in _PALETTES:
        data = dataset.get(f"{colour}PaletteColorLookupTableData")
        if data is None:
            raise ImageError("the DICOM file's colour table is missing or in segments, which is not supported")
        descriptor = dataset[f"{colour}PaletteColorLookupTableDescriptor"].value
        table = _table(descriptor, data, big_endian=frame.big_endian)
        tables.append(table.values >> 8 if int(descriptor[2]) > 8 else table.values)
    luma = np.rint(sum(part * table for part, table in zip((0.299, 0.587, 0.114), tables, strict=True)))
    return Lookup(int(descriptor[1]), np.clip(luma, 0, 255).astype(np.uint16))
