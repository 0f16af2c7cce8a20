"""Grey pictures to the model's size: varied for training, fixed for everything else. No flips: sides mean something."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from cxr_clip.data.crops import between, random_crop
from cxr_clip.data.resize import resize_quickly, resize_smoothly
from cxr_clip.data.tones import adjust, equalise

Picture = UInt8[np.ndarray, "height width"]
Square = UInt8[np.ndarray, "size size"]


@dataclass(frozen=True)
class Framing:
    """Which part of a picture a model sees: of the picture resized to `height` x `width`, a square at `top`, `left`."""

    height: int
    width: int
    top: int
    left: int


@dataclass(frozen=True)
class EvalTransform:
    """Resize the short side to `size` and crop the centre: bit for bit what the published code's models see."""

    size: int

    def __call__(self, image: Picture) -> Square:
        """The picture as the model sees it outside of training."""
        framing = self.framing(*image.shape)
        resized = resize_smoothly(image, height=framing.height, width=framing.width)
        rows = slice(framing.top, framing.top + self.size)
        return np.ascontiguousarray(resized[rows, framing.left : framing.left + self.size])

    def framing(self, height: int, width: int) -> Framing:
        """What is seen of a picture of `height` x `width` pixels."""
        short = min(height, width)
        new_height, new_width = self.size * height // short, self.size * width // short
        top, left = round((new_height - self.size) / 2), round((new_width - self.size) / 2)
        return Framing(new_height, new_width, top, left)


@dataclass(frozen=True)
class TrainTransform:
    """Random resized crop, CLAHE, brightness and contrast; `crop_scale` is a share of the picture's area.

    The clip limit of CLAHE is drawn from 1 to `clahe_clip`, and brightness and contrast come in either order, as in
    the paper's published code. `exact` resizes as that code does, else in an eighth to a half of the time.
    """

    size: int
    crop_scale: tuple[float, float] = (0.8, 1.1)
    clahe_probability: float = 0.5
    clahe_clip: float = 4.0
    brightness: float = 0.1
    contrast: float = 0.2
    exact: bool = False

    def __call__(self, image: Picture, rng: np.random.Generator) -> Square:
        """One variation of the picture, drawn from `rng`."""
        box = random_crop(image.shape, self.crop_scale, rng)
        resize = resize_smoothly if self.exact else resize_quickly
        cropped = image[box.top : box.top + box.height, box.left : box.left + box.width]
        picture = resize(cropped, height=self.size, width=self.size)
        if rng.random() < self.clahe_probability:
            picture = equalise(picture, clip=between((min(1.0, self.clahe_clip), self.clahe_clip), rng))
        return adjust(
            picture,
            brightness=between((1 - self.brightness, 1 + self.brightness), rng),
            contrast=between((1 - self.contrast, 1 + self.contrast), rng),
            contrast_first=rng.random() < 0.5,
        )
