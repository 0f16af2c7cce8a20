"""The page of an audit: overlap.html, self-contained, with near pairs side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cxr_clip.errors import ImageError
from cxr_clip.html_pages import data_address, render_page
from cxr_clip.overlap.audit import Audit, Kind
from cxr_clip.overlap.sides import Side
from cxr_clip.overlap.written import kind_rows, nearest_counts

# Equal files need no look: a few of them, and last.
_SHOWN = {Kind.NEAR_IMAGE: 12, Kind.NEAR_EMBEDDING: 12, Kind.SAME_PIXELS: 3, Kind.EQUAL_IMAGE: 3}
_BINS = (0, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 257)


@dataclass(frozen=True)
class Picture:
    """A picture as a data address, absent where it cannot be read, with the words below it."""

    address: str | None
    caption: str


@dataclass(frozen=True)
class Pair:
    """An evaluated image beside its nearest training image."""

    evaluation: Picture
    training: Picture
    words: str


@dataclass(frozen=True)
class Bar:
    """One bin of the distances to the nearest training image; its width in percent of the longest."""

    name: str
    count: int
    width: float
    near: bool


def audit_html(found: Audit) -> str:
    """One file without scripts, styles, fonts or pictures from elsewhere."""
    return render_page(
        "overlap.html.j2",
        {
            "found": found,
            "rows": kind_rows(found),
            "pairs": {kind.value: pairs(found, kind) for kind in _SHOWN if len(found.hits.get(kind, ()))},
            "bars": bars(found),
            "images": len(found.evaluation.scan.rows),
        },
    )


def pairs(found: Audit, kind: Kind) -> Sequence[Pair]:
    """Some pairs, spread from the nearest to the farthest: the farthest are those to be doubted."""
    hits = found.hits[kind]
    order = np.argsort(hits.distance, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(_SHOWN[kind], len(order))).round().astype(int))]
    return tuple(
        Pair(
            evaluation=_picture(found.evaluation, int(hits.evaluation[place])),
            training=_picture(found.training, int(hits.training[place])),
            words=_distance(kind, float(hits.distance[place])),
        )
        for place in chosen
    )


def bars(found: Audit) -> Sequence[Bar]:
    """How far the nearest training image of each evaluated one is, in bins of bits."""
    counts = nearest_counts(found)
    edges = sorted({*_BINS, found.near_bits + 1})
    sums = [sum(count for bits, count in counts.items() if low <= bits < high) for low, high in _pairs_of(edges)]
    most = max(sums, default=1) or 1
    return tuple(
        Bar(_bin(low, high), count, round(100 * count / most, 2), low <= found.near_bits)
        for (low, high), count in zip(_pairs_of(edges), sums, strict=True)
    )


def _pairs_of(edges: Sequence[int]) -> Sequence[tuple[int, int]]:
    return tuple(pairwise(edges))


def _bin(low: int, high: int) -> str:
    if high > _BINS[-2] + 1:
        return f"{low} or more"
    return f"{low}" if high == low + 1 else f"{low} to {high - 1}"


def _distance(kind: Kind, distance: float) -> str:
    if kind is Kind.NEAR_IMAGE:
        return f"{distance:.0f} of 256 bits differ"
    same = {Kind.EQUAL_IMAGE: "the same bytes", Kind.SAME_PIXELS: "the same pixels in another file"}
    return same.get(kind) or f"cosine {1 - distance:.4f}"


def _picture(side: Side, image: int) -> Picture:
    row, number = side.place(image)
    part, _ = side.study(row)
    caption = f"{side.name(row)}, image {number + 1}, {part.folder.name}"
    try:
        return Picture(data_address(side.picture(image)), caption)
    except ImageError:
        return Picture(None, caption)
