# Copyright: the cxr-clip authors. Licensed under the Apache License, Version 2.0 (the "License"); you may not use this
# file except in compliance with the License: http://www.apache.org/licenses/LICENSE-2.0. Distributed on an "AS IS"
# basis, without warranties or conditions of any kind.
"""Radiographs to what the model sees: grey, short side to `size`, centre crop, three equal normalised channels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from transformers import BaseImageProcessor, BatchFeature


class CxrClipImageProcessor(BaseImageProcessor):  # type: ignore[misc]
    """Takes Pillow images and 8- or 16-bit arrays of height x width (or x 3), one or a list."""

    model_input_names = ["pixel_values"]  # noqa: RUF012  (as transformers has it)

    def __init__(
        self,
        size: int = 224,
        image_mean: Sequence[float] = (0.5, 0.5, 0.5),
        image_std: Sequence[float] = (0.5, 0.5, 0.5),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.image_mean = list(image_mean)
        self.image_std = list(image_std)

    def preprocess(self, images: Any, return_tensors: str | None = None) -> BatchFeature:
        """The pictures as `pixel_values`: batch x 3 x size x size."""
        pictures = images if isinstance(images, list | tuple) else [images]
        mean, std = (np.array(one, dtype=np.float32)[:, None, None] for one in (self.image_mean, self.image_std))
        squares = np.stack([self._square(_grey(picture)) for picture in pictures])[:, None]
        values = (squares.astype(np.float32) / np.float32(255) - mean) / std
        return BatchFeature(data={"pixel_values": values}, tensor_type=return_tensors)

    def _square(self, picture: np.ndarray) -> np.ndarray:
        height, width = picture.shape
        short = min(height, width)
        height, width = self.size * height // short, self.size * width // short
        if picture.shape != (height, width):
            picture = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
        top, left = round((height - self.size) / 2), round((width - self.size) / 2)
        return picture[top : top + self.size, left : left + self.size]


def _grey(picture: Any) -> np.ndarray:
    """8-bit grey values; of more than 8 bits the depth in use becomes the whole range."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.asarray(picture))
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return _eight_bits(np.asarray(image).astype(np.int64))
    if image.mode == "F":
        raise ValueError("of fractions black and white are unknown: give integers of 8 or 16 bits")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA").convert("RGB")
    return np.asarray(image.convert("L"))


def _eight_bits(deep: np.ndarray) -> np.ndarray:
    if deep.min() < 0 or deep.max() > 65535:
        raise ValueError("the pixels do not fit 16 bits: give integers from 0 to 65535")
    highest = (1 << max(8, int(deep.max()).bit_length())) - 1
    return ((deep * 255 + highest // 2) // highest).astype(np.uint8)
