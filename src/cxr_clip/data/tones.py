"""Grey values for training: local equalisation, brightness, contrast, with the roundings of the published code.

That code works on pictures of three channels: equalisation on the lightness of Lab (albumentations), brightness and
contrast by blending (Pillow). On a grey picture each is a table of 256 values, or two around the equalisation, so the
results are the same and the work is a third or less.
"""

from functools import cache

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

Picture = UInt8[np.ndarray, "height width"]
Table = NDArray[np.uint8]

TILES = (8, 8)
_NEUTRAL = 128  # a and b of a grey in 8-bit Lab
_LEVELS = np.arange(256, dtype=np.float32)


def equalise(image: Picture, *, clip: float) -> Picture:
    """Equalise the lightness within tiles (CLAHE of 8 x 8 tiles and this clip limit); the luma of the published result.

    Coming back from Lab makes red and blue differ from green by at most 1 at some values; green is the luma.
    """
    to_lightness, to_grey = _lightness_tables()
    equalised = cv2.createCLAHE(clip, TILES).apply(cv2.LUT(image, to_lightness))
    return np.asarray(cv2.LUT(equalised, to_grey), dtype=np.uint8)


def adjust(image: Picture, *, brightness: float, contrast: float, contrast_first: bool = False) -> Picture:
    """Multiply the brightness and stretch values about their mean by `contrast`, each cut down to whole numbers.

    Pillow's rule: the mean is rounded, the results are clipped and cut, not rounded. `contrast_first` says which of
    the two comes first.
    """
    if contrast_first:
        return _looked_up(image, _cut(np.float32(brightness) * _stretched(contrast, image)))
    brightened = _looked_up(image, _cut(np.float32(brightness) * _LEVELS))
    return _looked_up(brightened, _stretched(contrast, brightened))


def _stretched(contrast: float, image: Picture) -> NDArray[np.float32]:
    """All levels, stretched about the mean of a picture."""
    mean = np.float32(int(cv2.sumElems(image)[0] / image.size + 0.5))
    return _cut(mean + np.float32(contrast) * (_LEVELS - mean))


def _cut(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Whole numbers from 0 to 255, towards 0."""
    return np.floor(np.minimum(np.maximum(values, 0), 255))


def _looked_up(image: Picture, levels: NDArray[np.float32]) -> Picture:
    return np.asarray(cv2.LUT(image, levels.astype(np.uint8)), dtype=np.uint8)


@cache
def _lightness_tables() -> tuple[Table, Table]:
    """From a grey value to its lightness in 8-bit Lab, and back to the green of that lightness."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    neutral = np.full_like(ramp, _NEUTRAL)
    lab = cv2.cvtColor(np.stack([ramp, ramp, ramp], axis=2), cv2.COLOR_RGB2LAB)
    rgb = cv2.cvtColor(np.stack([ramp, neutral, neutral], axis=2), cv2.COLOR_LAB2RGB)
    return lab[:, 0, 0].astype(np.uint8), rgb[:, 0, 1].astype(np.uint8)
