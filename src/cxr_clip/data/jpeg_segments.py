"""The segments of a grey JPEG file that draw its picture, without what else it may carry: comments, EXIF, thumbnails.

Those may hold names, dates and ids. Nothing is compressed anew. ITU-T T.81, annex B.
"""

import re

_START, _END = b"\xff\xd8", b"\xff\xd9"
_PLAIN_JFIF = b"\xff\xe0\x00\x10JFIF\x00"
_COMMENT, _SCAN, _END_CODE = 0xFE, 0xDA, 0xD9
_APPLICATION = range(0xE0, 0xF0)
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
# In compressed data a marker is neither an escaped 255 nor one of the marks that restart the decoder.
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
# Markers without a length, which have no place between segments: TEM, the restarts, the start.
_ALONE = (0x01, *range(0xD0, 0xD9))


def picture_only(data: bytes) -> bytes | None:
    """The file without comments, application segments but a plain JFIF header, and what follows its end.

    None where the file is not laid out as the standard says.
    """
    if not data.startswith(_START):
        return None
    kept, place = [_START], len(_START)
    while (marker := _MARKER.match(data, place)) is not None:
        code = marker[1][0]
        if code == _END_CODE:
            return b"".join([*kept, _END])
        length = int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        place = marker.end() + length
        segment = b"\xff" + data[marker.end() - 1 : place]
        if code in _ALONE or length < 2 or place > len(data):
            return None
        if _draws(code, segment):
            kept.append(segment)
        if code == _SCAN:
            following = _AFTER_SCAN.search(data, place)
            if following is None:
                return None
            kept.append(data[place : following.start()])
            place = following.start()
    return None


def _draws(code: int, segment: bytes) -> bool:
    return segment.startswith(_PLAIN_JFIF) or (code != _COMMENT and code not in _APPLICATION)
