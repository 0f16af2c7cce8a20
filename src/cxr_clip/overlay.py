"""Maps drawn over their image: the grey picture, a transparent colour map, its bar, several texts side by side.

The colours are matplotlib's viridis, which people with any colour blindness can read and whose order is that of grey.
What is lowest is left bare, so that the picture stays to be seen; what the model does not see is hatched.
"""

import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from cxr_clip.errors import EmbeddingInputError
from cxr_clip.explain import Explanation, TextMap
from cxr_clip.model.local_scores import Method
from cxr_clip.whole_files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = "viridis"
OPAQUE = 0.65
PANEL_INCHES, DOTS_PER_INCH = 4.0, 150
LONGEST = 1024
BESIDE = 3
UNITS = {
    Method.PARTS: "score, were every place like this one",
    Method.GRADIENT: "gradient times activation",
}
CAPTION = "Where the model's score comes from, not the outline of a finding. Research only."


def write_overlay(path: Path, explanation: Explanation, texts: Sequence[str] | None = None) -> None:
    """Write the maps of an image as one PNG file; `texts` names those to draw (all).

    Folders are made. Raises OutputError where `path` is no place for a file, EmbeddingInputError where it cannot be
    written there.
    """
    maps = explanation.maps if texts is None else tuple(map(explanation.map_of, texts))
    drawn = BytesIO()
    with warnings.catch_warnings():
        # A character that the font lacks is a box in the title; the score and the map are whole.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        draw(explanation.picture, maps).savefig(drawn, format="png", metadata={"Software": None})
    try:
        with whole_file(path) as partial:
            partial.write_bytes(drawn.getvalue())
    except OSError as error:
        raise EmbeddingInputError(f"{path} cannot be written ({error.strerror}): name another file") from error


def draw(picture: UInt8[np.ndarray, "height width"], maps: Sequence[TextMap]) -> "Figure":
    """The picture as it is, then with each map; every map on its own scale, from its least to its greatest value."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = len(maps) + 1
    columns = min(panels, BESIDE)
    rows = -(-panels // columns)
    height, width = picture.shape
    high = PANEL_INCHES * min(2.0, height / width) + 0.6
    figure = Figure(figsize=(PANEL_INCHES * columns + 0.4, high * rows + 0.3), dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for one in axes:
        one.set_axis_off()
    _grey(axes[0], picture, "The image")
    for one, shown in zip(axes[1:], maps, strict=False):
        _grey(one, picture, f"{fill(shown.text, 44)}\nscore {shown.score:+.3f}")
        _over(figure, one, shown)
    figure.supxlabel(CAPTION, fontsize=8, color="dimgrey")
    return figure


def coloured(values: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 4"]:
    """A map as colours with transparency: bare at its least value, most opaque at its greatest, bare where NaN."""
    import matplotlib

    share = _shares(values)
    colours = matplotlib.colormaps[COLOURS](share)
    # Squared, so that most of the picture stays to be seen.
    colours[..., 3] = OPAQUE * share**2
    return np.asarray(np.rint(255 * colours), dtype=np.uint8)


def _shares(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far each value lies between the least and the greatest one; 0 where NaN, and where all are equal."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    shares: NDArray[np.float64] = (values.astype(np.float64) - low) / (high - low if high > low else 1.0)
    return np.nan_to_num(shares, nan=0.0)


def _grey(axes: "Axes", picture: NDArray[np.uint8], title: str) -> None:
    height, width = picture.shape
    axes.imshow(_small(picture), cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    axes.set_title(title, fontsize=9, parse_math=False)


def _over(figure: "Figure", axes: "Axes", shown: TextMap) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    height, width = shown.values.shape
    axes.imshow(coloured(_small(shown.values)), extent=(0, width, height, 0), interpolation="nearest")
    unseen = np.isnan(_small(shown.values))
    if unseen.any():
        hatched = axes.contourf(
            unseen, levels=(0.5, 1.5), colors="none", hatches=("////",), extent=(0, width, 0, height), origin="lower"
        )
        hatched.set_edgecolor("grey")
        hatched.set_linewidth(0)
    scale: Any = Normalize(float(np.nanmin(shown.values)), float(np.nanmax(shown.values)))
    bar = figure.colorbar(ScalarMappable(scale, COLOURS), ax=axes, shrink=0.8, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.set_label(UNITS[shown.method], fontsize=7)


def _small(picture: NDArray[Any]) -> NDArray[Any]:
    """At most LONGEST pixels a side; a map keeps its NaN."""
    scale = LONGEST / max(picture.shape)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if picture.dtype == np.uint8 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(picture, size, interpolation=method))
