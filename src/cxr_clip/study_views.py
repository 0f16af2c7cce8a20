"""Which of the images that people give as one study stand for it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from cxr_clip.data.dicom import looks_like_dicom
from cxr_clip.data.pictures import ImageInput
from cxr_clip.errors import EmbeddingInputError
from cxr_clip.prepare.image_headers import dicom_header, read_header
from cxr_clip.study import View, views_in_use

Given = TypeVar("Given", bound=ImageInput)


def study_images(images: Sequence[Given], views: Sequence[View | str] | None = None) -> list[Given]:
    """Return the frontal images; where there is none, those of unknown view.

    `views` are the views of the images; without them that of a DICOM file is read from its header, and others are
    unknown. Raises EmbeddingInputError where no image is left, a view is none, or there are more or fewer than images.
    """
    known = views_of(images) if views is None else [_checked(view) for view in views]
    if len(known) != len(images):
        raise EmbeddingInputError(f"{len(images)} images have {len(known)} views: give one view for each image")
    used = views_in_use(known)
    if not used:
        raise EmbeddingInputError(
            f"none of {len(images)} images of the study is frontal: the model is asked about frontal images (pa, ap, "
            "frontal), or images of unknown view"
        )
    return [images[number] for number in used]


def views_of(images: Sequence[ImageInput]) -> list[View]:
    """Return the view that each image tells of itself: files and bytes of DICOM do, others are unknown."""
    return [_view_of(image) for image in images]


def _view_of(image: ImageInput) -> View:
    if isinstance(image, bytes) and looks_like_dicom(image):
        return dicom_header(image).view or View.UNKNOWN
    if not isinstance(image, str | os.PathLike):
        return View.UNKNOWN
    return read_header(Path(image)).view or View.UNKNOWN


def _checked(view: View | str) -> View:
    try:
        return View(view)
    except ValueError as error:
        raise EmbeddingInputError(f"{view!r} is no view: use one of {', '.join(View)}") from error
