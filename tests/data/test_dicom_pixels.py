"""Every way in which a DICOM file may store one picture gives that picture, or a plain reason."""

import io
import struct
import zlib
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pydicom.uid import JPEG2000Lossless as J2KLossless

from cxr_clip.data.dicom import decode_dicom
from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.errors import ImageError
from support_dicom import RAMP, STRETCHED, compressed, dataset_of, dicom, without_meta, written

COLOURS = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (32, 64, 3), dtype=np.uint8), (0, 0), 3)
LUMA = cv2.cvtColor(COLOURS, cv2.COLOR_RGB2GRAY)


def rle(pixels: np.ndarray) -> bytes:
    return RLELosslessEncoder.encode(
        pixels,
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        samples_per_pixel=3 if pixels.ndim == 3 else 1,
        bits_allocated=pixels.dtype.itemsize * 8,
        bits_stored=8 if pixels.ndim == 3 else 12,
        pixel_representation=0,
        photometric_interpretation="RGB" if pixels.ndim == 3 else "MONOCHROME2",
        number_of_frames=1,
        planar_configuration=0,
    )


def j2k(pixels: np.ndarray, **options: Any) -> bytes:
    return imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", reversible=True, level=0, **options)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_native_pixels(syntax: str) -> None:
    np.testing.assert_array_equal(decode_dicom(written(dataset_of(), syntax)), STRETCHED)


def test_native_pixels_of_big_endian_order() -> None:
    dataset = dataset_of(RAMP.astype(">u2"))
    np.testing.assert_array_equal(decode_dicom(written(dataset, ExplicitVRBigEndian)), STRETCHED)


LOSSLESS = {
    RLELossless: rle(RAMP),
    JPEGLossless: imagecodecs.jpeg8_encode(RAMP, lossless=True, predictor=4, bitspersample=12),
    JPEGLosslessSV1: imagecodecs.ljpeg_encode(RAMP, bitspersample=12),
    JPEGLSLossless: imagecodecs.jpegls_encode(RAMP),
    J2KLossless: j2k(RAMP, bitspersample=12),
    HTJ2K: imagecodecs.htj2k_encode(RAMP),
}


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.name)
def test_compression_without_loss(syntax: str) -> None:
    np.testing.assert_array_equal(decode_dicom(compressed(LOSSLESS[syntax], syntax)), STRETCHED)


@pytest.mark.parametrize(
    ("frame", "syntax"),
    [
        (imagecodecs.jpeg8_encode(RAMP, level=97, bitspersample=12), JPEGExtended12Bit),
        (imagecodecs.jpegls_encode(RAMP, level=3), JPEGLSNearLossless),
        (imagecodecs.jpeg2k_encode(RAMP, codecformat="J2K", level=60, bitspersample=12), JPEG2000),
    ],
    ids=["JPEG extended", "JPEG-LS near lossless", "JPEG 2000"],
)
def test_compression_with_loss_of_12_bits(frame: bytes, syntax: str) -> None:
    np.testing.assert_allclose(decode_dicom(compressed(frame, syntax)), STRETCHED, atol=3)


def test_baseline_jpeg_of_8_bits() -> None:
    done, frame = cv2.imencode(".jpg", LUMA, [cv2.IMWRITE_JPEG_QUALITY, 97])
    assert done
    shown = decode_dicom(compressed(frame.tobytes(), JPEGBaseline8Bit, LUMA, bits=8))
    np.testing.assert_allclose(shown, LUMA, atol=4)


def test_compressed_pixels_of_8_bits_whose_header_speaks_of_12() -> None:
    frame = imagecodecs.jpegls_encode(LUMA)
    shown = decode_dicom(compressed(frame, JPEGLSLossless, RAMP), windowing=Windowing.MIN_MAX)
    low, high = int(LUMA.min()), int(LUMA.max())
    np.testing.assert_allclose(shown, (LUMA - float(low)) / (high - low) * 255, atol=0.51)


def test_signed_pixels_compressed_without_a_sign_of_their_own() -> None:
    signed = RAMP.astype(np.int16) - 2048
    codes = signed.view(np.uint16) & 0xFFF
    for frame, syntax in (
        (imagecodecs.jpegls_encode(codes), JPEGLSLossless),
        (j2k(codes, bitspersample=12), J2KLossless),
    ):
        np.testing.assert_array_equal(decode_dicom(compressed(frame, syntax, signed)), STRETCHED)
    np.testing.assert_array_equal(decode_dicom(compressed(j2k(signed), J2KLossless, signed, bits=16)), STRETCHED)


def test_large_jpeg_2000_at_half_its_size_is_close_to_the_whole_one_shrunk() -> None:
    smooth = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 4096, (256, 320), dtype=np.uint16), (0, 0), 12)
    data = compressed(j2k(smooth, bitspersample=12), J2KLossless, smooth)
    half = decode_dicom(data, short_side=100)
    assert half.shape == (128, 160)
    whole = cv2.resize(decode_dicom(data), (160, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(half.astype(int) - whole).mean() < 2
    assert decode_dicom(data, short_side=200).shape == (256, 320)


def test_overlays_in_the_high_bits_are_cleared_and_values_in_the_middle_bits_are_moved_down() -> None:
    drawn = RAMP | np.uint16(0xF000)
    np.testing.assert_array_equal(decode_dicom(dicom(drawn)), STRETCHED)
    moved = (RAMP << np.uint16(4)) | np.uint16(0xF)
    np.testing.assert_array_equal(decode_dicom(dicom(moved, HighBit=15)), STRETCHED)


def test_an_overlay_plane_changes_nothing() -> None:
    dataset = dataset_of()
    dataset.add_new(0x60000010, "US", 32)
    dataset.add_new(0x60000011, "US", 64)
    dataset.add_new(0x60003000, "OW", b"\xff" * 256)
    np.testing.assert_array_equal(decode_dicom(written(dataset)), STRETCHED)


@pytest.mark.parametrize("implicit", [True, False])
def test_a_file_without_meta_information_is_read(implicit: bool) -> None:
    np.testing.assert_array_equal(decode_dicom(without_meta(dataset_of(), implicit=implicit)), STRETCHED)


def test_compressed_pixels_without_meta_information_say_themselves_what_they_are() -> None:
    dataset = pydicom.dcmread(io.BytesIO(compressed(LOSSLESS[JPEGLSLossless], JPEGLSLossless)))
    del dataset.file_meta
    np.testing.assert_array_equal(decode_dicom(without_meta(dataset, implicit=False)), STRETCHED)


def as_ybr(colours: np.ndarray) -> np.ndarray:
    crcb = cv2.cvtColor(colours, cv2.COLOR_RGB2YCrCb)
    return np.ascontiguousarray(crcb[..., [0, 2, 1]])


def halved(colours: np.ndarray) -> bytes:
    ybr = as_ybr(colours)
    pairs = np.stack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], axis=-1)
    return pairs.tobytes()


COLOURED = {
    "native": dicom(COLOURS, bits=8, photometric="RGB"),
    "by plane": dicom(
        COLOURS, bits=8, photometric="RGB", PlanarConfiguration=1, PixelData=COLOURS.transpose(2, 0, 1).tobytes()
    ),
    "YBR": dicom(as_ybr(COLOURS), bits=8, photometric="YBR_FULL"),
    "YBR 4:2:2": dicom(COLOURS, bits=8, photometric="YBR_FULL_422", PixelData=halved(COLOURS)),
    "RLE": compressed(rle(COLOURS), RLELossless, COLOURS, bits=8, photometric="RGB"),
    "JPEG-LS": compressed(imagecodecs.jpegls_encode(COLOURS), JPEGLSLossless, COLOURS, bits=8, photometric="RGB"),
    "JPEG 2000": compressed(j2k(COLOURS), J2KLossless, COLOURS, bits=8, photometric="YBR_RCT"),
    "JPEG": compressed(
        imagecodecs.jpeg8_encode(COLOURS, level=97), JPEGBaseline8Bit, COLOURS, bits=8, photometric="YBR_FULL_422"
    ),
    "JPEG of RGB": compressed(
        imagecodecs.jpeg8_encode(COLOURS, level=97, colorspace="RGB", outcolorspace="RGB"),
        JPEGBaseline8Bit, COLOURS, bits=8, photometric="RGB",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", COLOURED)
def test_colour_becomes_luma_however_it_is_stored(way: str) -> None:
    np.testing.assert_allclose(decode_dicom(COLOURED[way]), LUMA, atol=3 if way.startswith("JPEG") else 1)


def palette(bits: int, **values: Any) -> bytes:
    reversed_greys = np.arange(255, -1, -1, dtype=np.uint16) * (257 if bits == 16 else 1)
    indices = np.arange(256, dtype=np.uint8).reshape(4, 64)
    dataset = dataset_of(indices, bits=8, photometric="PALETTE COLOR", **values)
    for colour in ("Red", "Green", "Blue"):
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, bits])
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", reversed_greys.astype("<u2").tobytes())
    return written(dataset)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_is_applied(bits: int) -> None:
    np.testing.assert_array_equal(decode_dicom(palette(bits)), 255 - np.arange(256).reshape(4, 64))


def siz(width: int, height: int, *, tile: int = 0) -> bytes:
    """A JPEG 2000 header that promises a size."""
    sizes = (width, height, 0, 0, tile or width, tile or height, 0, 0)
    return b"\xff\x4f\xff\x51" + struct.pack(">HH8IHBBB", 41, 0, *sizes, 1, 11, 1, 1) + b"\xff\x90"


def jpeg_frame(width: int, height: int, *, components: int = 1) -> bytes:
    """A JPEG frame header that promises a size."""
    return b"\xff\xd8\xff\xff\xc0" + struct.pack(">HBHHB", 8 + 3 * components, 8, height, width, components)


def deflated(body: bytes) -> bytes:
    data = written(dataset_of(), DeflatedExplicitVRLittleEndian)
    end = 144 + int.from_bytes(data[140:144], "little")
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return data[:end] + packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (compressed(siz(60_000, 60_000), J2KLossless), "another size than the header says"),
        (compressed(siz(64, 32, tile=0)[:40], J2KLossless), "cut short"),
        (compressed(siz(0, 32), J2KLossless), "a JPEG 2000 size of zero"),
        (compressed(siz(1 << 20, 1 << 20, tile=1), J2KLossless), "too many JPEG 2000 tiles"),
        (compressed(siz(64, 32), J2KLossless), r"JPEG 2000.* cannot be decoded"),
        (compressed(jpeg_frame(65_000, 65_000), JPEGBaseline8Bit), "another size than the header says"),
        (compressed(jpeg_frame(64, 32, components=4), JPEGBaseline8Bit), "another number of channels"),
        (compressed(jpeg_frame(64, 32), JPEGBaseline8Bit), "cannot be decoded"),
        (compressed(b"\xff\xd8\xff\xda", JPEGBaseline8Bit), "without a frame header"),
        (compressed(b"\xff\xd8no marker", JPEGBaseline8Bit), "a JPEG marker is missing"),
        (compressed(b"no picture", JPEGBaseline8Bit), "neither JPEG, JPEG-LS nor JPEG 2000"),
        (compressed(LOSSLESS[JPEGLosslessSV1], JPEGLosslessSV1, RAMP[:16]), "another size than the header says"),
        (compressed(LOSSLESS[JPEGLosslessSV1][:20], JPEGLosslessSV1), "cut short"),
        (compressed(LOSSLESS[RLELossless][:300], RLELossless), "RLE Lossless.* cannot be decoded|cut short"),
        (compressed(b"film", MPEG2MPML), r"transfer syntax \(MPEG2 Main Profile / Main Level\) is not supported"),
        (compressed(j2k(COLOURS.astype(np.uint16)), J2KLossless, COLOURS, bits=8, photometric="RGB"), "have 16 bits"),
        (dicom(PixelData=b"\0\0"), "cut short: 2 of 4,096 bytes"),
        (dicom(np.zeros((4, 4, 3), np.uint16), bits=16, photometric="RGB"), "colour depth"),
        (dicom(np.zeros((4, 4), np.uint32), bits=32), r"32 bits .* in 32: not supported"),
        (dicom(HighBit=3), "not supported"),
        (palette(16)[:-600], "damaged|no image|cut short"),
        (dicom(photometric="PALETTE COLOR"), "colour table is missing or in segments"),
        (dicom(photometric="CMYK"), "photometric interpretation"),
        (dicom(COLOURS, bits=8, photometric="MONOCHROME2"), "photometric interpretation"),
        (deflated(bytes(300_000_000)), "larger than any picture"),
        (deflated(b"")[:-2] + b"\xff\xff\xff", "header is damaged"),
    ],
)
def test_what_is_no_single_picture_of_a_known_kind_gets_a_plain_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode_dicom(data)


def test_pixels_that_are_fractions_are_refused() -> None:
    dataset = dataset_of()
    del dataset.PixelData
    dataset.FloatPixelData = np.zeros((32, 64), np.float32).tobytes()
    with pytest.raises(ImageError, match="fractions"):
        decode_dicom(written(dataset))
