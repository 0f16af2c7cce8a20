"""A random crop by area and aspect, with the law of torchvision's RandomResizedCrop."""

import math
from dataclasses import dataclass

import numpy as np

ASPECT = (3 / 4, 4 / 3)
TRIES = 10
_LOG_ASPECT = (math.log(ASPECT[0]), math.log(ASPECT[1]))


@dataclass(frozen=True)
class Box:
    """A rectangle within a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


def random_crop(shape: tuple[int, ...], scale: tuple[float, float], rng: np.random.Generator) -> Box:
    """Return a crop whose area is a share within `scale` of the picture's, of an aspect within 3/4 to 4/3.

    Ten draws are tried for one that fits into the picture, then it is the largest centre crop of a permitted aspect.
    Shares above 1, which the published settings have, thus mean the whole picture, and large shares are drawn less
    often than small ones.
    """
    height, width = shape
    for _ in range(TRIES):
        area = height * width * between(scale, rng)
        aspect = math.exp(between(_LOG_ASPECT, rng))
        crop_height, crop_width = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < crop_height <= height and 0 < crop_width <= width:
            top = int(rng.integers(0, height - crop_height + 1))
            left = int(rng.integers(0, width - crop_width + 1))
            return Box(top=top, left=left, height=crop_height, width=crop_width)
    return _largest_centre_crop(height, width)


def between(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw one number evenly, as `rng.uniform` does, without what that needs for arrays."""
    low, high = bounds
    return low + (high - low) * rng.random()


def _largest_centre_crop(height: int, width: int) -> Box:
    low, high = ASPECT
    crop_height = min(height, max(1, round(width / low)))
    crop_width = min(width, max(1, round(height * high)))
    return Box(top=(height - crop_height) // 2, left=(width - crop_width) // 2, height=crop_height, width=crop_width)
