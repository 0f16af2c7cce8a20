"""Pictures whose pixels are equal although their files are not: the same picture in another file format."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import ImageError
from cxr_clip.overlap.hits import Hits
from cxr_clip.overlap.sides import Side


def pixel_digest(picture: NDArray[np.uint8]) -> bytes:
    """A digest of the size and of every pixel, whatever file they came in."""
    return blake2b(repr(picture.shape).encode() + np.ascontiguousarray(picture).tobytes(), digest_size=16).digest()


def with_equal_pixels(hits: Hits, training: Side, evaluation: Side) -> Hits:
    """Those of the hits whose two pictures, decoded whole, are equal pixel by pixel; they lie no distance apart."""
    equal = [
        _digest(evaluation, ours) == _digest(training, theirs) is not None
        for ours, theirs in zip(hits.evaluation.tolist(), hits.training.tolist(), strict=True)
    ]
    found = hits.where(np.asarray(equal, dtype=np.bool_))
    return Hits(found.evaluation, found.training, np.zeros(len(found)), found.matches)


def _digest(side: Side, image: int) -> bytes | None:
    try:
        return pixel_digest(side.picture(image))
    except ImageError:
        return None
