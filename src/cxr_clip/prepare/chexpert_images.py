"""The images of the CheXpert family, by patient, study and view, whichever folder of a release they lie in.

The releases name one image in many ways: "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg" in the tables,
"CheXpert-v1.0 batch 2 (train 1)/patient00001/..." where the archives were unpacked, ".png" or ".dcm" in CheXpert Plus.
Patient numbers are unique over all parts, so that the last three names tell the image.
"""

import re
from dataclasses import dataclass

from cxr_clip.errors import SourceError
from cxr_clip.prepare.files import RawFiles
from cxr_clip.prepare.label_values import certainty_of
from cxr_clip.study import Certainty, View

_SUFFIXES = (".jpg", ".jpeg", ".png", ".dcm")
_KEY = re.compile(r"(?:^|/)(patient\d+/study\d+/[^/]+?)\.(?:jpe?g|png|dcm)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ImageKey:
    """An image by its patient, study and view: "patient00001", "study1", "view1_frontal"."""

    patient: str
    study: str
    image: str

    @property
    def study_id(self) -> str:
        """The name of its study in a manifest."""
        return f"{self.patient}_{self.study}"

    @property
    def image_id(self) -> str:
        """The name of the image where it is a study of its own."""
        return f"{self.patient}_{self.study}_{self.image}"


def image_key(path: str) -> ImageKey | None:
    """The key in a path of any release; None where the path does not end in patient, study and view."""
    match = _KEY.search(path.replace("\\", "/"))
    return None if match is None else ImageKey(*match[1].lower().split("/"))


def find_images(files: RawFiles) -> tuple[dict[ImageKey, str], int]:
    """The image files by key, and how many further files of the same images there are. Raises SourceError for none."""
    found: dict[ImageKey, str] = {}
    doubles = 0
    for path in files.with_suffix(*_SUFFIXES):
        key = image_key(path.as_posix())
        if key is not None:
            doubles += key in found
            found.setdefault(key, path.as_posix())
    if not found:
        raise SourceError(
            f"{files.root} has no patient*/study*/*.jpg (or .png, .dcm) in it or below it: "
            "unpack the images there, or name the folder that holds them"
        )
    return found, doubles


def view_of(plane: str, direction: str) -> View:
    """The view from "Frontal" or "Lateral" and "AP" or "PA"; some frontal rows say neither AP nor PA."""
    if plane.lower() == "lateral":
        return View.LATERAL
    frontal = {"ap": View.AP, "pa": View.PA}.get(direction.lower(), View.FRONTAL)
    return frontal if plane.lower() == "frontal" else View.UNKNOWN


class Labels:
    """Turns the label cells of a row into findings; rows with the same labels share one mapping."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._known: dict[tuple[str, ...], dict[str, Certainty]] = {}

    def read(self, cells: tuple[str, ...]) -> dict[str, Certainty]:
        """The findings of a row; one that is not mentioned has no entry. Raises ValueError for a value unknown."""
        if cells not in self._known:
            values = ((name, certainty_of(cell)) for name, cell in zip(self._names, cells, strict=True))
            self._known[cells] = {name: certainty for name, certainty in values if certainty is not None}
        return self._known[cells]
