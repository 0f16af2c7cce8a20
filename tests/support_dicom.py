"""DICOM files in memory: a ramp of 12 bits unless told otherwise, in any transfer syntax."""

import io
import warnings
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

RAMP = np.broadcast_to(np.arange(0, 4096, 64, dtype=np.uint16), (32, 64)).copy()
# The ramp as the range in use is stretched to 0..255.
STRETCHED = np.round(RAMP / 4032 * 255)


def dataset_of(
    pixels: np.ndarray = RAMP, *, bits: int = 12, photometric: str = "MONOCHROME2", **values: Any
) -> Dataset:
    """A data set with native pixels; `values` are further attributes."""
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = pixels.dtype.itemsize * 8
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    for name, value in values.items():
        setattr(dataset, name, value)
    return dataset


def dicom(pixels: np.ndarray = RAMP, **values: Any) -> bytes:
    """A file with native pixels."""
    return written(dataset_of(pixels, **values))


def compressed(frame: bytes, syntax: str, pixels: np.ndarray = RAMP, **values: Any) -> bytes:
    """A file whose pixels are the compressed frame; `pixels` gives the header its size."""
    dataset = dataset_of(pixels, **values)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return written(dataset, syntax)


def written(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The bytes of a data set in a transfer syntax."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return _bytes(dataset, enforce_file_format=True)


def without_meta(dataset: Dataset, *, implicit: bool = True) -> bytes:
    """The bytes of a data set alone, as ACR-NEMA files have it."""
    return _bytes(dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)


def _bytes(dataset: Dataset, **options: Any) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(stream, dataset, **options)
    return stream.getvalue()


def lookup(values: list[int], *, first: int = 0, bits: int = 12, vr: str = "US") -> Dataset:
    """An item of a LUT sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(values) % 65536, first, bits])
    item.add_new("LUTData", vr, np.asarray(values, "<u2").tobytes() if vr == "OW" else values)
    return item
