"""How well a map agrees with where a finding was drawn: pointing game, overlap at thresholds, contrast. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from cxr_clip.data.run_lengths import picture_of
from cxr_clip.study import Box, Mask


@dataclass(frozen=True, eq=False)
class Agreement:
    """Of one map and one region: pointing (0 or 1), overlaps by threshold, contrast."""

    pointing: float
    overlaps: Float[np.ndarray, "thresholds"]
    contrast: float


def region_of(
    boxes: Sequence[Box], masks: Sequence[Mask], *, height: int, width: int
) -> Bool[np.ndarray, "height width"]:
    """The pixels of an image of this size whose centres lie in any of the boxes or masks."""
    region = np.zeros((height, width), dtype=bool)
    down, across = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    for box in boxes:
        region |= np.outer((down > box.top) & (down < box.bottom), (across > box.left) & (across < box.right))
    for mask in masks:
        drawn = picture_of(mask)
        rows, columns = (down * mask.height).astype(int), (across * mask.width).astype(int)
        region |= drawn[np.ix_(rows, columns)]
    return region


def agreement(
    values: Float[np.ndarray, "height width"], region: Bool[np.ndarray, "height width"], thresholds: Sequence[float]
) -> Agreement:
    """Compare a map with a region, where the map is no NaN; the region must have pixels there.

    Pointing: whether the largest value lies in the region; of several equal ones their share. Overlap: intersection
    over union of the region with the pixels that lie at least so far from the least to the greatest value. Contrast:
    the difference of the means in and outside the region over the root of the sum of both variances (as BioViL has it).
    """
    seen = np.isfinite(values)
    inside, flat = region[seen], values[seen].astype(np.float64)
    assert inside.any(), "a region that the model does not see"
    low, high = float(flat.min()), float(flat.max())
    shares = (flat - low) / (high - low) if high > low else np.zeros_like(flat)
    return Agreement(
        pointing=float(inside[flat == high].mean()),
        overlaps=np.asarray([_overlap(shares >= threshold, inside) for threshold in thresholds]),
        contrast=_contrast(flat[inside], flat[~inside]),
    )


def area_share(values: Float[np.ndarray, "height width"], region: Bool[np.ndarray, "height width"]) -> float:
    """The share of the seen pixels that the region has: how often a pixel at random points into it."""
    return float(region[np.isfinite(values)].mean())


def centre_prior(seen: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """A map that knows no picture: largest in the middle of what is seen, falling with the distance; else NaN."""
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    down = _from_middle(rows, seen.shape[0])
    across = _from_middle(columns, seen.shape[1])
    return np.where(seen, -np.hypot(down[:, None], across[None]), np.nan).astype(np.float32)


def _from_middle(places: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """The distance of each of `count` pixels from the middle of `places`, in lengths of these."""
    first, last = int(places[0]), int(places[-1])
    return np.asarray((np.arange(count) - (first + last) / 2) / (last - first + 1))


def _overlap(found: NDArray[np.bool_], inside: NDArray[np.bool_]) -> float:
    return float((found & inside).sum() / (found | inside).sum())


def _contrast(inner: NDArray[np.float64], outer: NDArray[np.float64]) -> float:
    if not len(outer):
        return 0.0
    spread = float(np.sqrt(inner.var() + outer.var()))
    return float(inner.mean() - outer.mean()) / spread if spread > 0 else 0.0
