"""Any image file becomes 8-bit grey, or a plain reason why not."""

import contextlib
import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_clip.data.images import decode_image, for_store, shrink
from cxr_clip.errors import ImageError


def ramp(height: int = 60, width: int = 80) -> np.ndarray:
    return np.broadcast_to(np.linspace(0, 255, width).astype(np.uint8), (height, width)).copy()


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "CMYK"])
def test_every_mode_of_one_grey_picture_decodes_to_that_picture(mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    decoded = decode_image(saved(Image.fromarray(ramp()).convert(mode), kind))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, ramp())


def test_a_palette_is_applied_and_transparency_ignored() -> None:
    image = Image.fromarray(ramp()).convert("P")
    np.testing.assert_array_equal(decode_image(saved(image, transparency=255)), ramp())
    see_through = Image.merge("RGBA", [*Image.fromarray(ramp()).convert("RGB").split(), Image.new("L", (80, 60), 0)])
    np.testing.assert_array_equal(decode_image(saved(see_through)), ramp())


def test_colour_becomes_luma() -> None:
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    assert decode_image(saved(red))[0, 0] == round(255 * 0.299)


def test_full_range_16_bits_are_divided_by_257() -> None:
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    decoded = decode_image(saved(Image.fromarray(deep)))
    np.testing.assert_array_equal(decoded, np.round(deep / 257).astype(np.uint8))


def test_12_bits_in_a_16_bit_file_keep_their_contrast() -> None:
    deep = np.linspace(0, 4095, 4800).astype(np.uint16).reshape(60, 80)
    decoded = decode_image(saved(Image.fromarray(deep)))
    assert decoded.max() == 255
    np.testing.assert_allclose(decoded, deep / 4095 * 255, atol=0.51)


def test_values_below_256_in_a_16_bit_file_are_kept() -> None:
    deep = ramp().astype(np.uint16)
    np.testing.assert_array_equal(decode_image(saved(Image.fromarray(deep))), ramp())


@pytest.mark.parametrize("pixels", [np.full((4, 4), 70_000, np.int32), np.full((4, 4), 0.5, np.float32)])
def test_pixels_of_unknown_range_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"16 bits|fractions"):
        decode_image(saved(Image.fromarray(pixels), "TIFF"))


def test_shrinking_averages_areas_keeps_the_aspect_and_never_enlarges() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (80, 120), dtype=np.uint8)
    small = shrink(picture, 40)
    assert small.shape == (40, 60)
    blocks = picture.reshape(40, 2, 60, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(small, blocks, atol=0.51)
    assert shrink(picture, 200) is picture
    assert shrink(picture, None) is picture


def test_a_large_jpeg_decoded_at_reduced_scale_is_close_to_the_whole_one_shrunk() -> None:
    smooth = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (640, 800), dtype=np.uint8), (0, 0), 9)
    data = saved(Image.fromarray(smooth), "JPEG", quality=95)
    reduced, whole = decode_image(data, short_side=100), shrink(decode_image(data), 100)
    assert reduced.shape == whole.shape == (100, 125)
    assert np.abs(reduced.astype(int) - whole.astype(int)).mean() < 1


def test_an_exif_rotation_is_undone_and_not_copied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(ramp()), "JPEG", exif=exif)
    assert decode_image(data).shape == (80, 60)
    stored = for_store(data, short_side=512)
    assert (stored.height, stored.width) == (80, 60)
    assert stored.data != data


def test_a_small_grey_jpeg_is_stored_byte_for_byte() -> None:
    data = saved(Image.fromarray(ramp()), "JPEG", quality=60)
    stored = for_store(data, short_side=512)
    assert stored.data == data
    assert (stored.height, stored.width, stored.suffix) == (60, 80, "jpg")


@pytest.mark.parametrize(("mode", "kind", "short_side"), [("RGB", "JPEG", 512), ("L", "PNG", 512), ("L", "JPEG", 30)])
def test_all_else_is_stored_as_grey_jpeg_of_high_quality(mode: str, kind: str, short_side: int) -> None:
    data = saved(Image.fromarray(ramp()).convert(mode), kind)
    stored = for_store(data, short_side=short_side)
    with Image.open(io.BytesIO(stored.data)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "L", (stored.width, stored.height))
    assert min(stored.height, stored.width) == min(60, short_side)
    decoded = decode_image(stored.data)
    assert np.abs(decoded.astype(int) - decode_image(data, short_side=short_side)).mean() < 1.5


def test_a_picture_too_long_to_be_stored_is_refused() -> None:
    with pytest.raises(ImageError, match="70,000 x 1 pixels, longer than a JPEG can be"):
        for_store(saved(Image.new("L", (70_000, 1))), short_side=64)


def test_tags_that_stray_from_the_format_raise_no_warning() -> None:
    data = saved(Image.fromarray(ramp()), "TIFF")
    directory = struct.unpack_from("<I", data, 4)[0]
    spoiled = bytearray(data)
    spoiled[directory : directory + 2] = b"\xff\x00"
    with contextlib.suppress(ImageError):
        decode_image(bytes(spoiled))


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + bytes(4) + b"IDAT"
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", "a web page"),
        (b"\n <html><body>login</body>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (bytes(2000), "only zero bytes"),
        (b"notes on the patient", "no known image format"),
        (b"\xff\xd8\xff", "JPEG header is damaged"),
        (b"\x89PNG\r\n\x1a\nrubbish", "PNG header is damaged"),
        (saved(Image.fromarray(ramp()))[:-40], "PNG data are truncated or damaged"),
        (saved(Image.fromarray(ramp()), "JPEG")[:-200], "JPEG data are truncated or damaged"),
        (png_header(10_000, 9_000), "more than 80,000,000 pixels"),
        (png_header(60_000, 60_000), "more than 80,000,000 pixels"),
    ],
)
def test_what_is_no_image_gets_a_plain_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_image(data, short_side=64)


def test_no_cut_of_a_file_raises_anything_but_an_image_error() -> None:
    for kind in ("PNG", "JPEG", "TIFF", "BMP"):
        data = saved(Image.fromarray(ramp()), kind)
        for end in range(0, len(data), 37):
            try:
                assert decode_image(data[:end]).dtype == np.uint8
            except ImageError:
                continue
