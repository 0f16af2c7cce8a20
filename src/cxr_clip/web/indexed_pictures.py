"""The images of an index, as small PNG files, where the manifest folders that have their pixels were given."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.embeddings_file import IMAGE
from cxr_clip.errors import ImageError

LONGEST = 512


class IndexedPictures:
    """Images by the ids of an index ("s17/image/0"); it is for one thread."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Open prepared folders; of two studies of one id the first counts. Raises ManifestError."""
        self._manifests = [read_manifest(folder) for folder in folders]
        self._stores = [ImageStore(manifest.root) for manifest in self._manifests]
        self._places: dict[str, tuple[int, int]] = {}
        for number, manifest in enumerate(self._manifests):
            for row, study in enumerate(manifest.table["id"].to_pylist()):
                self._places.setdefault(study, (number, row))

    def has(self, row_id: str) -> bool:
        """Whether there may be a picture of this id: its study is in a folder."""
        study, kind, _ = _parts(row_id)
        return kind == IMAGE and study in self._places

    def png(self, row_id: str) -> bytes | None:
        """The image of an id in 8-bit grey, at most LONGEST pixels a side; None where there is none."""
        study, _, number = _parts(row_id)
        if not self.has(row_id) or not (number.isascii() and number.isdecimal()):
            return None
        folder, row = self._places[study]
        images = self._manifests[folder][row].images
        if int(number) >= len(images):
            return None
        try:
            picture = self._stores[folder].read(images[int(number)], reduced_to=LONGEST)
        except ImageError:
            return None
        scale = LONGEST / max(picture.shape)
        if scale < 1:
            size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        done, encoded = cv2.imencode(".png", picture)
        assert done, "OpenCV encodes any 8-bit grey picture"
        return encoded.tobytes()


def _parts(row_id: str) -> tuple[str, str, str]:
    """Study, kind and number of an id; empty where it has fewer parts."""
    study, kind, number = ["", "", *row_id.rsplit("/", 2)][-3:]
    return study, kind, number
