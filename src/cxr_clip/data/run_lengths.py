"""Masks as run lengths and as pictures: lossless both ways."""

import numpy as np
from jaxtyping import Bool

from cxr_clip.errors import ManifestError
from cxr_clip.study import Mask


def picture_of(mask: Mask) -> Bool[np.ndarray, "height width"]:
    """Where a mask is, pixel by pixel. Raises ManifestError if its runs do not add up to its pixels."""
    runs = np.asarray(mask.runs, np.int64)
    if runs.min(initial=0) < 0 or runs.sum() != mask.height * mask.width:
        raise ManifestError(
            f"a mask of {mask.finding} has runs of {runs.sum():,} pixels in an image of {mask.height} x {mask.width}: "
            "prepare the data set again"
        )
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(mask.width, mask.height).T


def runs_of(picture: Bool[np.ndarray, "height width"]) -> tuple[int, ...]:
    """The run lengths of a picture, as a Mask keeps them."""
    flat = np.concatenate([[False], picture.T.ravel()])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return tuple(int(run) for run in np.diff(np.concatenate([[0], changes, [picture.size]])))
