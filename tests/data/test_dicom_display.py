"""Stored values become the greys that pydicom's own modality and VOI functions say."""

import io
import warnings
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

from cxr_clip.data.dicom import decode_dicom
from cxr_clip.data.dicom_windowing import Windowing
from cxr_clip.errors import ImageError
from support_dicom import RAMP, STRETCHED, dicom, lookup


def ramp_of(bits: int, *, signed: bool) -> np.ndarray:
    """All values of so many bits (of 16 bits every 16th), in one picture of 64 columns."""
    values = np.arange(0, 1 << bits, 16 if bits == 16 else 1) - ((1 << (bits - 1)) if signed else 0)
    kind = ("i" if signed else "u") + ("1" if bits == 8 else "2")
    return values.astype(kind).reshape(-1, 64)


def by_pydicom(data: bytes) -> np.ndarray:
    """What pydicom's functions make of a file, from its output range to 0..255."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = apply_voi_lut(apply_modality_lut(pixel_array(dataset), dataset), dataset).astype(float)
    if dataset.get("VOILUTSequence") or dataset.get("ModalityLUTSequence"):
        item = (dataset.get("VOILUTSequence") or dataset.get("ModalityLUTSequence"))[0]
        low, high = 0.0, float(2 ** item.LUTDescriptor[2] - 1)
    else:
        bits = dataset.BitsStored
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if dataset.PixelRepresentation else (0, 2**bits - 1)
        slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
        low, high = low * slope + intercept, high * slope + intercept
    return (shown - low) / (high - low) * 255


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize("rescale", [None, (2, -1000), (0.25, 7.5)])
@pytest.mark.parametrize(
    ("bits", "signed"), [(8, False), (10, False), (12, False), (12, True), (16, False), (16, True)]
)
def test_windows_of_every_function_depth_and_sign_agree_with_pydicom(
    bits: int, signed: bool, rescale: tuple[float, float] | None, function: str | None
) -> None:
    slope, intercept = rescale or (1, 0)
    middle = 0 if signed else 1 << (bits - 1)
    values: dict[str, Any] = {
        "WindowCenter": round(0.8 * middle * slope + intercept, 3),
        "WindowWidth": round((1 << bits) * slope / 3, 3),
    }
    if rescale:
        values |= {"RescaleSlope": slope, "RescaleIntercept": intercept}
    if function:
        values["VOILUTFunction"] = function
    data = dicom(ramp_of(bits, signed=signed), bits=bits, **values)
    np.testing.assert_allclose(decode_dicom(data), by_pydicom(data), atol=0.51)


@pytest.mark.parametrize("vr", ["US", "OW"])
@pytest.mark.parametrize("first", [0, 500, -300])
def test_voi_tables_agree_with_pydicom(vr: str, first: int) -> None:
    curve = [round(4095 * (place / 2999) ** 2) for place in range(3000)]
    signed = first < 0
    data = dicom(ramp_of(12, signed=signed), VOILUTSequence=[lookup(curve, first=first, vr=vr)])
    np.testing.assert_allclose(decode_dicom(data), by_pydicom(data), atol=0.51)


def test_a_voi_table_comes_before_a_window_and_the_first_table_counts() -> None:
    falling = lookup([4095 - value for value in range(4096)])
    data = dicom(VOILUTSequence=[falling, lookup([0] * 4096)], WindowCenter=100, WindowWidth=50)
    np.testing.assert_allclose(decode_dicom(data), 255 - RAMP / 4095 * 255, atol=0.51)


def test_the_scale_of_a_voi_table_is_the_depth_that_it_uses() -> None:
    honest = dicom(VOILUTSequence=[lookup(list(range(4096)), bits=12)])
    boasting = dicom(VOILUTSequence=[lookup(list(range(4096)), bits=16)])
    np.testing.assert_array_equal(decode_dicom(honest), decode_dicom(boasting))
    assert decode_dicom(dicom(VOILUTSequence=[lookup([0] * 3 + [4095] * 4093)])).max() == 255


def test_a_modality_table_comes_before_the_window() -> None:
    table = lookup([min(value * 2, 4095) for value in range(4096)], bits=16)
    data = dicom(ModalityLUTSequence=[table], WindowCenter=2048, WindowWidth=1000)
    np.testing.assert_allclose(decode_dicom(data), by_pydicom(data), atol=0.51)
    np.testing.assert_allclose(
        decode_dicom(dicom(ModalityLUTSequence=[table])), np.minimum(RAMP * 2, 4095) / 16.06, atol=0.6
    )


def test_a_table_of_8_bit_entries_and_one_whose_first_value_was_written_without_its_sign() -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 8])
    item.add_new("LUTData", "OW", bytes(reversed(range(256))))
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 64)
    np.testing.assert_array_equal(decode_dicom(dicom(pixels, bits=8, VOILUTSequence=[item])), 255 - pixels)
    signed = ramp_of(12, signed=True)
    curve = list(range(4096))
    wrong = lookup(curve, first=65536 - 2048)
    right = lookup(curve, first=-2048)
    np.testing.assert_array_equal(
        decode_dicom(dicom(signed, VOILUTSequence=[wrong])), decode_dicom(dicom(signed, VOILUTSequence=[right]))
    )


def test_the_window_is_not_stretched_to_the_values_in_use() -> None:
    shown = decode_dicom(dicom(WindowCenter=4096, WindowWidth=8192))
    assert (shown.min(), shown.max()) == (0, round(4032 / 8191 * 255))


def test_the_first_usable_of_several_windows_counts_and_a_width_of_zero_is_none() -> None:
    several = decode_dicom(dicom(WindowCenter=[1024, 5], WindowWidth=[1024, 5]))
    np.testing.assert_array_equal(several, decode_dicom(dicom(WindowCenter=1024, WindowWidth=1024)))
    second = decode_dicom(dicom(WindowCenter=[0, 1024], WindowWidth=[0, 1024]))
    np.testing.assert_array_equal(second, several)
    np.testing.assert_array_equal(decode_dicom(dicom(WindowCenter=0, WindowWidth=0)), STRETCHED)
    np.testing.assert_array_equal(decode_dicom(dicom(WindowCenter="", WindowWidth="")), STRETCHED)


def test_a_window_of_width_one_is_a_threshold() -> None:
    shown = decode_dicom(dicom(WindowCenter=2000, WindowWidth=1))
    np.testing.assert_array_equal(shown, np.where(RAMP > 1999.5, 255, 0))


@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_a_window_of_almost_no_width_is_a_threshold_too(function: str) -> None:
    shown = decode_dicom(dicom(WindowCenter=2000, WindowWidth="1e-310", VOILUTFunction=function))
    np.testing.assert_array_equal(shown, np.where(RAMP > 2000, 255, 0))


def test_a_window_that_shows_nothing_is_named_and_can_be_ignored() -> None:
    data = dicom(WindowCenter=-5000, WindowWidth=10)
    with pytest.raises(ImageError, match="all of it in one grey: the windowing min-max ignores it"):
        decode_dicom(data)
    np.testing.assert_array_equal(decode_dicom(data, windowing=Windowing.MIN_MAX), STRETCHED)


def test_a_negative_slope_turns_the_greys_round() -> None:
    np.testing.assert_array_equal(decode_dicom(dicom(RescaleSlope=-1, RescaleIntercept=4095)), 255 - STRETCHED)


def test_min_max_ignores_what_the_file_says_and_padding() -> None:
    pixels = RAMP.clip(1024, None)
    pixels[:, :8] = 0
    file = dicom(pixels, PixelPaddingValue=0, WindowCenter=100, WindowWidth=50, VOILUTSequence=[lookup([0] * 4096)])
    shown = decode_dicom(file, windowing=Windowing.MIN_MAX)
    np.testing.assert_allclose(shown[:, 16:], (RAMP[:, 16:] - 1024.0) / 3008 * 255, atol=0.51)
    assert (shown[:, :8] == 0).all()


def test_percentiles_leave_markers_and_holes_out() -> None:
    pixels = np.random.default_rng(0).integers(1000, 2000, (100, 100)).astype(np.uint16)
    pixels[0, :40], pixels[1, :40] = 4095, 0
    shown = decode_dicom(dicom(pixels), windowing=Windowing.PERCENTILE)
    low, high = np.percentile(pixels, [0.5, 99.5])
    np.testing.assert_allclose(shown, np.clip((pixels - low) / (high - low), 0, 1) * 255, atol=1)
    inverted = decode_dicom(dicom(pixels, photometric="MONOCHROME1"), windowing=Windowing.PERCENTILE)
    np.testing.assert_array_equal(inverted, 255 - shown)


@pytest.mark.parametrize("windowing", list(Windowing))
def test_a_flat_picture_is_black_and_a_nearly_flat_one_keeps_its_marker(windowing: Windowing) -> None:
    flat = np.full((20, 20), 700, np.uint16)
    assert decode_dicom(dicom(flat), windowing=windowing).max() == 0
    flat[0, 0] = 900
    assert decode_dicom(dicom(flat), windowing=windowing)[0, 0] == 255


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_outside_the_stretch(photometric: str) -> None:
    pixels = RAMP.clip(1024, None)
    pixels[:, :8] = 0
    shown = decode_dicom(dicom(pixels, photometric=photometric, PixelPaddingValue=0))
    assert (shown[:, :8] == 0).all()
    assert shown[0, 8] == (255 if photometric == "MONOCHROME1" else 0)
    both = decode_dicom(dicom(RAMP, PixelPaddingValue=0, PixelPaddingRangeLimit=640))
    assert (both[:, :11] == 0).all()
    assert decode_dicom(dicom(np.zeros_like(RAMP), PixelPaddingValue=0)).max() == 0


def test_padding_of_signed_pixels_is_found_with_and_without_its_sign() -> None:
    pixels = (RAMP.astype(np.int16) - 1000)[:, 8:].copy()
    pixels[:, 0] = -2000
    for value in (-2000, 63536):
        data = dicom(pixels, bits=16)
        dataset = pydicom.dcmread(io.BytesIO(data))
        dataset.add_new("PixelPaddingValue", "SS" if value < 0 else "US", value)
        stream = io.BytesIO()
        dataset.save_as(stream)
        shown = decode_dicom(stream.getvalue())
        np.testing.assert_allclose(shown[:, 1:], (RAMP[:, 9:] - 576.0) / 3456 * 255, atol=0.51)
        assert (shown[:, 0] == 0).all()
