"""Pictures are bit for bit those of the published code: evaluation, and each operation of training on a grey one."""

import numpy as np
import pytest
import torch
from torch import nn

from cxr_clip.data.crops import random_crop
from cxr_clip.data.resize import resize_quickly, resize_smoothly
from cxr_clip.data.tones import adjust, equalise
from cxr_clip.data.transforms import EvalTransform
from cxr_clip.model.image_encoder import ImageEncoder
from cxr_clip.model.normalisation import HALF, IMAGENET

pytestmark = pytest.mark.shared
READS = {
    "transform_test.npz": ("*",),
    "transform_train_pieces.npz": ("*",),
    "transform_train_info.json": ("*",),
}
SIZES = ("512x512", "512x624", "624x512")


class Seen(nn.Module):
    """A backbone that hands back what it is given."""

    def forward(self, pixel_values):
        return pixel_values


def normalised(image, normalisation):
    encoder = ImageEncoder(Seen(), feature_size=1, pooling="mean", mean=normalisation.mean, std=normalisation.std)
    return encoder._normalised(torch.from_numpy(image)[None, None])[0].numpy()


@pytest.fixture(scope="module")
def pieces(golden):
    return golden.arrays("transform_train_pieces.npz")


@pytest.fixture(scope="module")
def grey(pieces):
    assert (pieces["src_u8"] == pieces["src_u8"][..., :1]).all()
    return np.ascontiguousarray(pieces["src_u8"][..., 0])


def luma(colour):
    """Red and blue stray from green by 1 at most; the luma of ITU-R 601 is green then."""
    assert np.abs(colour.astype(int) - colour[..., 1:2]).max() <= 1
    return colour[..., 1]


@pytest.mark.parametrize("number", range(5))
def test_evaluation_sees_the_recorded_picture(golden, number):
    recorded = golden.arrays("transform_test.npz")
    ours = EvalTransform(224)(recorded[f"raw{number}"])
    assert np.array_equal(np.stack([ours] * 3, axis=2), recorded[f"cropped_u8_{number}"])
    assert np.array_equal(normalised(ours, IMAGENET), recorded[f"imagenet_{number}"])
    assert np.array_equal(normalised(ours, HALF), recorded[f"huggingface_{number}"])


def test_a_picture_in_colour_is_resized_channel_by_channel_alike(golden):
    # Ours is grey from the file on; each channel alone, as a grey picture, is what the published code sees of it.
    recorded = golden.arrays("transform_test.npz")
    for channel in range(3):
        ours = EvalTransform(224)(np.ascontiguousarray(recorded["raw_colour"][..., channel]))
        assert np.array_equal(normalised(ours, IMAGENET)[channel], recorded["imagenet_colour"][channel])


@pytest.mark.parametrize("clip", [1, 2, 4])
def test_equalisation(pieces, grey, clip):
    assert np.array_equal(equalise(grey, clip=float(clip)), luma(pieces[f"clahe_clip{clip}_u8"]))


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_brightness(pieces, grey, factor):
    assert np.array_equal(adjust(grey, brightness=factor, contrast=1.0), luma(pieces[f"brightness_{factor}"]))


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_contrast(pieces, grey, factor):
    assert np.array_equal(adjust(grey, brightness=1.0, contrast=factor), luma(pieces[f"contrast_{factor}"]))


@pytest.mark.parametrize("hue", ["hue_0.1", "hue_-0.1"])
def test_hue_does_nothing_to_grey(pieces, grey, hue):
    assert np.array_equal(luma(pieces[hue]), grey)


def test_saturation_does_nothing_to_grey(pieces, grey):
    assert np.array_equal(luma(pieces["saturation_1.2"]), grey)


def test_a_resized_crop_is_exact_or_close_by_area(golden, pieces):
    crop = golden.arrays("transform_test.npz")["raw1"][10:410, 20:430]
    recorded = luma(pieces["resized_crop_t10_l20_h400_w410"])
    assert np.array_equal(resize_smoothly(crop, height=224, width=224), recorded)
    by_area = np.abs(resize_quickly(crop, height=224, width=224).astype(int) - recorded)
    assert by_area.mean() < 0.7
    assert by_area.max() <= 5


@pytest.mark.parametrize(("side", "mean", "most"), [(224, 0, 0), (256, 0.7, 7), (280, 0.9, 9), (290, 0.7, 7)])
def test_quick_resizing_stays_near_the_published_filter(golden, side, mean, most):
    # Linear up to 280 pixels (a quarter more than 224), by area beyond.
    for picture in ("raw0", "raw1", "raw2"):
        crop = golden.arrays("transform_test.npz")[picture][10 : 10 + side, 20 : 20 + side]
        published = resize_smoothly(crop, height=224, width=224).astype(int)
        away = np.abs(resize_quickly(crop, height=224, width=224) - published)
        assert away.mean() <= mean
        assert away.max() <= most


@pytest.mark.parametrize("size", SIZES)
def test_crops_have_the_recorded_distribution(golden, size):
    recorded = golden.facts("transform_train_info.json")["RandomResizedCrop_scale_0.8_1.1_stats"][size]
    height, width = map(int, size.split("x"))
    rng = np.random.default_rng(0)
    boxes = [random_crop((height, width), (0.8, 1.1), rng) for _ in range(4000)]
    areas = [box.height * box.width / (height * width) for box in boxes]
    whole = np.mean([box.height == height and box.width == width for box in boxes])
    assert whole == pytest.approx(recorded["whole_image_fraction"], abs=0.015)
    assert np.mean(areas) == pytest.approx(recorded["area_mean"], abs=0.004)
    shares = (0, 0.1, 0.5, 0.9, 1)
    for ours, theirs in (
        (areas, recorded["area_quantiles"]),
        ([box.width / box.height for box in boxes], recorded["aspect_quantiles"]),
    ):
        np.testing.assert_allclose(np.quantile(ours, shares), theirs, rtol=0, atol=0.02)
