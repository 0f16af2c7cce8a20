"""Grey pictures to the model's size: varied for training, fixed for everything else. No flips: sides mean something."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

Picture = UInt8[np.ndarray, "height width"]
Square = UInt8[np.ndarray, "size size"]

ASPECT = (3 / 4, 4 / 3)
TILES = (8, 8)


@dataclass(frozen=True)
class EvalTransform:
    """Resize the short side to `size` and crop the centre, with the rounding of torchvision's Resize and CenterCrop."""

    size: int

    def __call__(self, image: Picture) -> Square:
        """The picture as the model sees it outside of training."""
        height, width = image.shape
        short = min(height, width)
        new_height, new_width = self.size * height // short, self.size * width // short
        resized = _resize(image, new_width, new_height)
        top, left = round((new_height - self.size) / 2), round((new_width - self.size) / 2)
        return np.ascontiguousarray(resized[top : top + self.size, left : left + self.size])


@dataclass(frozen=True)
class TrainTransform:
    """Random resized crop, CLAHE, brightness and contrast; `crop_scale` is a share of the picture's area.

    An area above the whole picture is limited to it, so (0.8, 1.1) gives the whole picture often. The clip limit of
    CLAHE is drawn from 1 to `clahe_clip`, as in the paper's published code.
    """

    size: int
    crop_scale: tuple[float, float] = (0.8, 1.1)
    clahe_probability: float = 0.5
    clahe_clip: float = 4.0
    brightness: float = 0.1
    contrast: float = 0.2

    def __call__(self, image: Picture, rng: np.random.Generator) -> Square:
        """One variation of the picture, drawn from `rng`."""
        top, left, height, width = _crop(image.shape, self.crop_scale, rng)
        picture = _resize(image[top : top + height, left : left + width], self.size, self.size)
        if rng.random() < self.clahe_probability:
            clip = rng.uniform(1.0, self.clahe_clip) if self.clahe_clip > 1.0 else self.clahe_clip
            picture = cv2.createCLAHE(clip, TILES).apply(picture).astype(np.uint8, copy=False)
        brightness = rng.uniform(1 - self.brightness, 1 + self.brightness)
        contrast = rng.uniform(1 - self.contrast, 1 + self.contrast)
        return adjust(picture, brightness=brightness, contrast=contrast)


def adjust(image: Picture, *, brightness: float, contrast: float) -> Picture:
    """Multiply the brightness, then stretch values about their mean by `contrast`, clipped; one look-up table."""
    levels = np.clip(np.arange(256, dtype=np.float64) * brightness, 0, 255)
    mean = float(np.bincount(image.ravel(), minlength=256) @ levels) / image.size
    table = np.clip(np.rint((levels - mean) * contrast + mean), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def _crop(shape: tuple[int, ...], scale: tuple[float, float], rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop of area fraction within `scale` and aspect within 3/4 to 4/3."""
    height, width = shape
    area = height * width * rng.uniform(*scale)
    aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
    crop_width = min(width, max(1, round(math.sqrt(area * aspect))))
    crop_height = min(height, max(1, round(math.sqrt(area / aspect))))
    top = int(rng.integers(0, height - crop_height + 1))
    left = int(rng.integers(0, width - crop_width + 1))
    return top, left, crop_height, crop_width


def _resize(image: Picture, width: int, height: int) -> NDArray[np.uint8]:
    """Resize with area averaging where the picture shrinks, linearly where it grows."""
    if image.shape == (height, width):
        return image
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)
