"""Pages that stand alone: one file with styles and pictures inside, and nothing from elsewhere."""

import base64
import re
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_THUMBNAIL = 224
# Headings of a template that a list of contents can lead to, and where such a list goes.
_HEADING = re.compile(r"<h2>(?P<words>.*?)</h2>", re.DOTALL)
CONTENTS_PLACE = "<!-- contents -->"


def render_page(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template of the package; everything is escaped but what the template calls safe."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cxr_clip", "resources"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def with_contents(page: str, *, least: int = 6) -> str:
    """A page with a list of its sections where it says `CONTENTS_PLACE`, as soon as it has `least` of them."""
    found = [match["words"] for match in _HEADING.finditer(page)]
    if len(found) < least:
        return page
    numbers = iter(range(len(found)))
    headed = _HEADING.sub(lambda match: f'<h2 id="section-{next(numbers)}">{match["words"]}</h2>', page)
    links = "".join(f'<li><a href="#section-{number}">{words}</a></li>' for number, words in enumerate(found))
    contents = (
        f'<nav aria-label="Contents"><details><summary>{len(found)} sections</summary><ol>{links}</ol></details></nav>'
    )
    return headed.replace(CONTENTS_PLACE, contents, 1)


def data_address(picture: NDArray[np.uint8]) -> str:
    """A small JPEG of a picture, grey or RGB, as a data address, its longer side at most 224 pixels."""
    scale = _THUMBNAIL / max(picture.shape[:2])
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        picture = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    stored = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", stored, [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert done, "OpenCV encodes any 8-bit grey picture"
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode('ascii')}"
