"""Of a JPEG file the picture stays, bit for bit; comments, EXIF data, thumbnails and what follows the end go."""

import io

import numpy as np
import pytest
from PIL import Image

from cxr_clip.data.images import decode_image, for_store
from cxr_clip.data.jpeg_segments import picture_only


def jpeg(**settings: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (40, 30), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).resize((90, 120)).save(stream, "JPEG", **settings)
    return stream.getvalue()


def exif(text: str) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010E] = text
    return tags


@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 2}])
def test_the_picture_stays_and_all_else_goes(settings: dict[str, object]) -> None:
    plain = jpeg(**settings)
    told = jpeg(**settings, comment=b"Doe, Jane", exif=exif("Doe, Jane"), icc_profile=b"Doe, Jane" * 9) + b"Doe, Jane"
    assert told.count(b"Doe, Jane") > 10
    assert picture_only(plain) == plain
    assert picture_only(told) == plain
    np.testing.assert_array_equal(decode_image(picture_only(told) or b""), decode_image(told))


def test_a_thumbnail_in_the_first_header_goes_too() -> None:
    plain = jpeg()
    thumbnail = b"\xff\xe0\x00\x13JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x01\x01abc"
    assert plain[2:20].startswith(b"\xff\xe0\x00\x10JFIF")
    assert picture_only(plain[:2] + thumbnail + plain[20:]) == plain[:2] + plain[20:]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\xff\xd8",
        jpeg()[:-2],
        jpeg()[:100],
        jpeg()[:2] + b"\x00" + jpeg()[2:],
        jpeg()[:2] + b"\xff\xd0" + jpeg()[2:],
    ],
)
def test_a_file_that_is_laid_out_otherwise_is_none(damaged: bytes) -> None:
    assert picture_only(damaged) is None


def test_a_file_that_is_laid_out_otherwise_and_decodes_is_compressed_anew() -> None:
    odd = jpeg()[:2] + b"\xff\xd0" + jpeg(comment=b"Doe, Jane")[2:]
    stored = for_store(odd, short_side=90)
    assert b"Doe" not in stored.data
    assert picture_only(stored.data) == stored.data


def test_bytes_without_end_take_time_in_proportion() -> None:
    assert picture_only(jpeg()[:-2] + b"\xff" * 2_000_000) is None
