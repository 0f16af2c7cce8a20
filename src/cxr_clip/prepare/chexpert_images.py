"""The images of the CheXpert family, by patient, study and view, whichever folder of a release they lie in.

The releases name one image in many ways: "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg" in the tables,
"CheXpert-v1.0 batch 2 (train 1)/patient00001/..." where the archives were unpacked, ".png" or ".dcm" in CheXpert Plus.
Patient numbers are unique over all parts, so that the last three names tell the image.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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
    # One string for the many images of one patient, and for the many that are called the same.
    return None if match is None else ImageKey(*map(sys.intern, match[1].lower().split("/")))


class FoundImages(Mapping[ImageKey, str]):
    """The paths of image files by key, in a fixed order; beside the paths a name of fixed length each is held."""

    def __init__(self, paths: Sequence[str]) -> None:
        """`paths` have a key each; of several with the same key the first counts, the others are `doubles`."""
        self._paths = paths
        names = np.array([_name(image_key(path)) for path in paths])
        self._names, self._first = np.unique(names, return_index=True)
        self.doubles = len(paths) - len(self._first)

    def __len__(self) -> int:
        return len(self._first)

    def __iter__(self) -> Iterator[ImageKey]:
        return (key for key, _ in self.items_but(()))

    def __getitem__(self, key: ImageKey) -> str:
        place = self._place(key)
        if place is None:
            raise KeyError(key)
        return str(self._paths[self._first[place]])

    def items_but(self, keys: Iterable[ImageKey]) -> Iterator[tuple[ImageKey, str]]:
        """The images whose key is none of these, in the order of their paths."""
        left = np.ones(len(self), dtype=np.bool_)
        left[[place for place in map(self._place, keys) if place is not None]] = False
        for number in np.sort(self._first[left]):
            key = image_key(self._paths[number])
            assert key is not None, "only paths with a key are held"
            yield key, self._paths[number]

    def _place(self, key: ImageKey) -> int | None:
        name = _name(key)
        if len(name) > self._names.itemsize:
            return None
        place = int(np.searchsorted(self._names, name))
        # NumPy takes no notice of zero bytes at the end of a name.
        found = place < len(self) and image_key(self._paths[self._first[place]]) == key
        return place if found else None


def _name(key: ImageKey | None) -> bytes:
    assert key is not None, "only paths with a key are held"
    return f"{key.patient}/{key.study}/{key.image}".encode("utf-8", "surrogateescape")


def find_images(files: RawFiles) -> FoundImages:
    """The image files by key. Raises SourceError for none."""
    paths = [path for suffix in _SUFFIXES for path in files.texts_with_suffix(suffix) if image_key(path) is not None]
    if not paths:
        raise SourceError(
            f"{files.root} has no patient*/study*/*.jpg (or .png, .dcm) in it or below it: "
            "unpack the images there, or name the folder that holds them"
        )
    return FoundImages(paths)


def view_of(plane: str, direction: str) -> View:
    """The view from "Frontal" or "Lateral" and "AP" or "PA"; some frontal rows say neither AP nor PA."""
    if plane.lower() == "lateral":
        return View.LATERAL
    frontal = {"ap": View.AP, "pa": View.PA}.get(direction.lower(), View.FRONTAL)
    return frontal if plane.lower() == "frontal" else View.UNKNOWN


class Labels:
    """Turns the label cells of a row into findings."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def read(self, cells: Sequence[str]) -> dict[str, Certainty]:
        """The findings of a row; one that is not mentioned has no entry. Raises ValueError for a value unknown."""
        values = ((name, certainty_of(cell)) for name, cell in zip(self._names, cells, strict=True) if cell)
        return {name: certainty for name, certainty in values if certainty is not None}
