"""An uploaded file as a picture: PNG, JPEG or DICOM alone, of no more pixels than its header may promise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cxr_clip.data.deep_pictures import DeepPicture, decode_deep
from cxr_clip.data.dicom import looks_like_dicom
from cxr_clip.data.images import refuse_larger
from cxr_clip.errors import EmbeddingInputError, ImageError, MissingPackageError
from cxr_clip.looking import Seen
from cxr_clip.study import View
from cxr_clip.study_views import views_of
from cxr_clip.web.refusals import NO_PICTURE, RefusalError, of_picture

# The longest side of a picture for a display.
SHOWN = 2048
_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
See = Callable[[int, bytes], Seen]
Read = TypeVar("Read")


@dataclass(frozen=True, eq=False)
class Upload:
    """An uploaded picture as the model sees it, and the view that its header tells."""

    seen: Seen
    view: View


def read_upload(data: bytes, number: int, see: See, *, pixels: int) -> Upload:
    """Read picture `number` as the model sees it. Raises RefusalError with the reason."""
    return _read(data, number, lambda: Upload(see(number, data), views_of([data])[0]), pixels=pixels)


def read_for_display(data: bytes, *, pixels: int) -> DeepPicture:
    """Read a picture in its own depth. Raises RefusalError with the reason."""
    return _read(data, 0, lambda: decode_deep(data, longest=SHOWN, max_pixels=pixels), pixels=pixels)


def _read(data: bytes, number: int, read: Callable[[], Read], *, pixels: int) -> Read:
    name = f"picture {number}"
    if not data.startswith(_STARTS) and not looks_like_dicom(data):
        reason = "has no bytes" if not data else "is no PNG, JPEG or DICOM file"
        raise RefusalError(NO_PICTURE, f"{name} {reason}: send one of these")
    try:
        refuse_larger(data, max_pixels=pixels)
        return read()
    except (ImageError, EmbeddingInputError) as error:
        raise of_picture(error, name) from error
    except MissingPackageError as error:
        raise RefusalError(NO_PICTURE, f"{name} cannot be read here: {error}") from error
