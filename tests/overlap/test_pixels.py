"""The same picture in another file is told from one that is only alike."""

import cv2
import numpy as np
import pytest

from cxr_clip.overlap.audit import Audit, Kind, name_matches
from cxr_clip.overlap.audit_manifests import OverlapRequest, audit_manifests
from cxr_clip.overlap.pixels import pixel_digest
from cxr_clip.study import Split
from support_overlap import CLEAN, TRAINING, Case, recompressed, write_cases

PICTURE = TRAINING[3].picture
TIFF = cv2.imencode(".tiff", PICTURE)[1].tobytes()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    folder = tmp_path_factory.mktemp("overlap")
    changed = PICTURE.copy()
    changed[64, 64] ^= 1
    cases = [
        *CLEAN,
        Case("as-tiff", "x1", PICTURE, file=TIFF),
        Case("one-pixel", "x2", changed),
        Case("compressed", "x3", recompressed(PICTURE)),
        Case("same-file", "x4", PICTURE),
    ]
    training = write_cases(folder / "training", TRAINING, split=Split.TRAIN)
    return audit_manifests(OverlapRequest((training,), write_cases(folder / "other", cases, split=Split.TEST)))


def test_each_image_is_named_by_the_strongest_kind(found: Audit) -> None:
    named = {kind: [match.evaluation_study for match in name_matches(found, kind)] for kind in found.hits}
    assert named[Kind.EQUAL_IMAGE] == ["same-file"]
    assert named[Kind.SAME_PIXELS] == ["as-tiff"]
    assert named[Kind.NEAR_IMAGE] == ["one-pixel", "compressed"]
    assert found.overlapping == 4


def test_the_training_image_is_named_and_lies_no_distance_apart(found: Audit) -> None:
    (match,) = name_matches(found, Kind.SAME_PIXELS)
    assert (match.training_study, match.training_image, match.distance, match.matches) == ("t3", 0, 0.0, 1)


def test_a_digest_is_of_pixels_and_shape() -> None:
    flat = np.arange(6, dtype=np.uint8)
    assert pixel_digest(flat.reshape(2, 3)) == pixel_digest(np.asfortranarray(flat.reshape(2, 3)))
    assert pixel_digest(flat.reshape(2, 3)) != pixel_digest(flat.reshape(3, 2))
    assert pixel_digest(flat.reshape(2, 3)) != pixel_digest(flat[::-1].reshape(2, 3))
