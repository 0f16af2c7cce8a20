"""What speaks against a picture being a chest X-ray, from its pixels alone: in words, or nothing.

These checks are cheap and coarse. They see colour, emptiness and strips; they do not see a hip or an inverted picture.
What lies far from the images that the model knows is found by `reference.Reference`.
"""

import io
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cxr_clip.data.dicom import looks_like_dicom

# A pixel has a colour where its channels differ by more than this: films under yellow light and JPEG stay below.
COLOUR_SPREAD = 40
COLOURED_SHARE = 0.2
LEAST_DEVIATION = 4.0
ONE_GREY_SHARE = 0.85
LONGEST_ASPECT = 2.5
_LOOKED_AT = 256


def pixel_doubts(picture: UInt8[np.ndarray, "height width"]) -> tuple[str, ...]:
    """Return what speaks against a grey picture: hardly any contrast, one grey nearly everywhere, or a strip."""
    doubts = []
    height, width = picture.shape
    if max(height, width) > LONGEST_ASPECT * min(height, width):
        doubts.append(f"it is {width} x {height} pixels, longer than {LONGEST_ASPECT} times its width")
    if (deviation := float(picture.std())) < LEAST_DEVIATION:
        doubts.append(f"it has hardly any contrast (deviation {deviation:.1f} of 255)")
    elif (share := float(np.bincount(picture.ravel(), minlength=256).max() / picture.size)) > ONE_GREY_SHARE:
        doubts.append(f"{share:.0%} of it is one grey")
    return tuple(doubts)


def colour_doubts(image: Image.Image | bytes) -> tuple[str, ...]:
    """Return what speaks against an image in colour; a file that is none, or a DICOM file, has nothing to say here."""
    small = _small(image)
    if small is None:
        return ()
    pixels = np.asarray(small, dtype=np.int16)
    share = float((np.ptp(pixels, axis=2) > COLOUR_SPREAD).mean())
    return (f"{share:.0%} of it is coloured",) if share > COLOURED_SHARE else ()


def _small(image: Image.Image | bytes) -> Image.Image | None:
    """A small copy in colour; absent where there are no colours to look at."""
    if isinstance(image, bytes):
        if looks_like_dicom(image):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(image))
            if image.mode == "RGB":
                image.draft("RGB", (_LOOKED_AT, _LOOKED_AT))
    if image.mode not in ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr"):
        return None
    step = max(1, min(image.size) // _LOOKED_AT)
    return image.convert("RGB").reduce(step)
