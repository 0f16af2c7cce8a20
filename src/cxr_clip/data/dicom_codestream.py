"""What the header of a compressed frame promises, read before a decoder allocates anything for it."""

import struct
from dataclasses import dataclass

from cxr_clip.errors import ImageError

JPEG, JPEG_LS, JPEG_2000 = "JPEG", "JPEG-LS", "JPEG 2000"
_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_JPEG_LS_FRAME, _SCAN = 0xF7, 0xDA
_MOST_TILES = 65535


@dataclass(frozen=True)
class Codestream:
    """Kind, size, components and bits of a compressed frame; `halvings` is how often JPEG 2000 can halve its size."""

    kind: str
    height: int
    width: int
    components: int
    precision: int
    signed: bool = False
    halvings: int = 0


def read_codestream(frame: bytes) -> Codestream:
    """Read the header of a JPEG, JPEG-LS or JPEG 2000 frame. Raises ImageError if it is none or damaged."""
    if frame[4:8] == b"jP  ":  # in a JP2 file, which the standard does not allow and some write
        frame = frame[max(frame.find(b"\xff\x4f\xff\x51"), 0) :]
    try:
        if frame[:2] == b"\xff\xd8":
            return _jpeg(frame)
        if frame[:4] == b"\xff\x4f\xff\x51":
            return _jpeg_2000(frame)
    except (struct.error, IndexError) as error:
        raise ImageError("the compressed pixels are cut short") from error
    raise ImageError("the compressed pixels are neither JPEG, JPEG-LS nor JPEG 2000")


def _jpeg(frame: bytes) -> Codestream:
    """Go from marker to marker until the frame header (ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2)."""
    place = 2
    while True:
        if frame[place] != 0xFF:
            raise ImageError("the compressed pixels are damaged (a JPEG marker is missing)")
        marker = frame[place + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            place += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAME_MARKERS or marker == _JPEG_LS_FRAME:
            precision, height, width, components = struct.unpack_from(">BHHB", frame, place + 4)
            return Codestream(JPEG_LS if marker == _JPEG_LS_FRAME else JPEG, height, width, components, precision)
        if marker == _SCAN:
            raise ImageError("the compressed pixels are damaged (a JPEG scan without a frame header)")
        place += 2 + struct.unpack_from(">H", frame, place + 2)[0]


def _jpeg_2000(frame: bytes) -> Codestream:
    """Read the SIZ and COD segments (ISO/IEC 15444-1 A.5.1, A.6.1)."""
    right, bottom, left, top, tile_width, tile_height, _, _, components, depth = struct.unpack_from(">8IHB", frame, 8)
    if not (left < right and top < bottom and tile_width and tile_height):
        raise ImageError("the compressed pixels are damaged (a JPEG 2000 size of zero)")
    if -(-right // tile_width) * -(-bottom // tile_height) > _MOST_TILES:
        raise ImageError("the compressed pixels are damaged (too many JPEG 2000 tiles)")
    return Codestream(
        JPEG_2000, bottom - top, right - left, components, (depth & 0x7F) + 1, bool(depth & 0x80), _halvings(frame)
    )


def _halvings(frame: bytes) -> int:
    place = 2
    while frame[place : place + 2] not in (b"\xff\x52", b"\xff\x90", b""):
        place += 2 + struct.unpack_from(">H", frame, place + 2)[0]
    return frame[place + 9] if frame[place : place + 2] == b"\xff\x52" else 0
