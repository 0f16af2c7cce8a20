"""Boxes that a table gives in pixels of an image, as fractions of it."""

from cxr_clip.study import Box

_TOLERANCE = 1.0


def box_of_pixels(
    finding: str, corners: tuple[float, float, float, float], *, height: int, width: int, image: int = 0
) -> Box:
    """A box from left, top, right and bottom in pixels; what is a pixel too large is cut.

    Raises ValueError for a box without an area, and for one that does not lie in the image: such boxes belong to an
    image of another size.
    """
    left, top, right, bottom = corners
    where = f"the box from ({left:g}, {top:g}) to ({right:g}, {bottom:g})"
    if not (left < right and top < bottom):
        raise ValueError(f"{where} has no area")
    if min(left, top) < -_TOLERANCE or right > width + _TOLERANCE or bottom > height + _TOLERANCE:
        raise ValueError(f"{where} does not lie in the image, which is {width} wide and {height} high")
    across = tuple(min(max(side / width, 0.0), 1.0) for side in (left, right))
    down = tuple(min(max(side / height, 0.0), 1.0) for side in (top, bottom))
    return Box(finding, image, across[0], down[0], across[1], down[1])
