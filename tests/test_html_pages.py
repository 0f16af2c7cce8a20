"""Pages that stand alone: their pictures are inside, and small."""

import base64

import cv2
import numpy as np

from cxr_clip.html_pages import data_address


def test_pictures_in_a_page_are_small():
    picture = data_address(np.random.default_rng(0).integers(0, 255, (2000, 3000)).astype(np.uint8))
    head, data = picture.split(",")
    assert head == "data:image/jpeg;base64"
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown.shape == (149, 224)
    assert len(picture) < 60_000
