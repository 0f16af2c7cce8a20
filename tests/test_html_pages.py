"""Pages that stand alone: their pictures are inside, and small."""

import base64

import cv2
import numpy as np

from cxr_clip.html_pages import CONTENTS_PLACE, data_address, with_contents


def test_pictures_in_a_page_are_small():
    picture = data_address(np.random.default_rng(0).integers(0, 255, (2000, 3000)).astype(np.uint8))
    head, data = picture.split(",")
    assert head == "data:image/jpeg;base64"
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    assert shown.shape == (149, 224)
    assert len(picture) < 60_000


def test_a_long_page_lists_its_sections_and_a_short_one_does_not():
    page = f"<h1>Report</h1>{CONTENTS_PLACE}" + "".join(f"<h2>Part {name}</h2><p>Words.</p>" for name in "abc")
    listed = with_contents(page, least=3)
    for number, name in enumerate("abc"):
        assert f'<a href="#section-{number}">Part {name}</a>' in listed
        assert f'<h2 id="section-{number}">Part {name}</h2>' in listed
    assert with_contents(page, least=4) == page
