"""From the bytes of a DICOM file to one 8-bit grey picture: header, pixels, display."""

from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from cxr_clip.data.dicom_display import show
from cxr_clip.data.dicom_header import read_header
from cxr_clip.data.dicom_pixels import grey_codes, luma
from cxr_clip.data.dicom_windowing import Windowing


def looks_like_dicom(data: bytes) -> bool:
    """Whether bytes are DICOM: the mark "DICM" at byte 128, or data elements of group 2 or 8 from the first byte on."""
    if data[128:132] == b"DICM":
        return True
    return data[:2] in (b"\x02\x00", b"\x08\x00") and data[3:4] == b"\x00" and len(data) > 132


def decode_dicom(
    data: bytes,
    *,
    max_pixels: int = 80_000_000,
    short_side: int | None = None,
    windowing: Windowing = Windowing.FILE,
) -> UInt8[np.ndarray, "height width"]:
    """Decode a DICOM file of one frame to 8-bit grey with bone white and air dark.

    The modality LUT (or rescale) comes first, then the windowing; MONOCHROME1 is inverted and padding becomes black
    (PS3.3 C.7.6.3, C.11.1, C.11.2). 8-bit values without a window are taken as they are. Colour becomes luma.
    With `short_side`, JPEG 2000 comes at a half, a quarter, ... of its size where that is no smaller.
    Raises ImageError with the reason, and MissingPackageError where pydicom or imagecodecs is not installed.
    """
    frame, display = read_header(data, max_pixels=max_pixels)
    if frame.channels == 3:
        return luma(frame)
    codes, bits = grey_codes(frame, short_side=short_side)
    return show(codes, replace(display, bits=bits), windowing)
