"""How near two images must be to count as copies: so near that chance alone would hardly bring two patients there.

Near zero the number of pairs of different patients within a distance d grows as a power of d, whose exponent is the
dimension of the cloud (Levina and Bickel, 2004). The power is read off two ranks of the closest such pairs, and carried
on to as many comparisons as the audit makes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The closest pairs may be copies that nobody knows of: the first ranks are passed over, one of 10,000 pairs at most.
# The second rank is still among the closest tenth, where the law holds.
_FIRST_RANK, _RANKS_APART = 10, 20
_SHARE_OF_UNKNOWN_COPIES, _TAIL = 1e-4, 0.1
FALSE_PAIRS = 0.1
# Single precision does not tell two cosines apart that differ by less.
_ROUNDING = 2e-6


@dataclass(frozen=True)
class Threshold:
    """The largest distance of a copy (1 - cosine, or differing bits), and where it comes from.

    `pairs` of images of different patients were looked at, `closest` is the smallest distance among them (a copy that
    nobody knows of may be it); `comparisons` are those of the audit, of which `false_pairs` are expected to come below
    `distance` by chance. `power`: how the number of pairs grows with distance.
    """

    distance: float
    pairs: int
    closest: float
    comparisons: int
    false_pairs: float
    power: float

    def in_words(self, closest: str) -> str:
        """Where it comes from; `closest` is the smallest distance among the pairs, in the words of its unit."""
        return (
            f"Of {self.pairs:,} pairs of images of different patients the closest has {closest}, and their number "
            f"grows as distance to the power of {self.power:.1f}; carried on to the {self.comparisons:,} comparisons "
            f"of this audit, {self.false_pairs:g} pairs are expected within the threshold by chance."
        )


def choose_threshold(
    distances: NDArray[np.floating] | NDArray[np.integer], *, comparisons: int, false_pairs: float = FALSE_PAIRS
) -> Threshold | None:
    """Choose it from the distances of pairs that are no copies; None where they are too few to tell.

    The threshold is never above the distance of the first rank that is looked at.
    """
    pairs = len(distances)
    first = max(_FIRST_RANK, round(pairs * _SHARE_OF_UNKNOWN_COPIES))
    last = first * _RANKS_APART
    if last > _TAIL * pairs:
        return None
    closest = np.maximum(np.partition(distances, (0, first - 1, last - 1))[[0, first - 1, last - 1]], _ROUNDING)
    near, far = float(closest[1]), float(closest[2])
    if near >= far:
        return None
    power = np.log(_RANKS_APART) / np.log(far / near)
    share = false_pairs / max(1, comparisons) * pairs / first
    return Threshold(
        distance=max(_ROUNDING, near * min(1.0, share) ** (1 / power)),
        pairs=pairs,
        closest=float(closest[0]),
        comparisons=comparisons,
        false_pairs=false_pairs,
        power=float(power),
    )
