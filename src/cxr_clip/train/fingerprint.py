"""What a run learns from as one number, so that it is never continued on other studies.

Where the manifest lies does not count, nor where in its shards an image does, nor any study of another split.
"""

import hashlib
import json
from collections.abc import Sequence

from cxr_clip.assemble import Source
from cxr_clip.study import ImageFile, Study


def fingerprint(sources: Sequence[Source]) -> str:
    """The sha256 of all training and validation studies, in their order, as hexadecimal digits."""
    digest = hashlib.sha256()
    for number, source in enumerate(sources):
        for manifest in (source.train, source.validate):
            for study in manifest:
                digest.update(json.dumps((number, *_what_counts(study)), sort_keys=True).encode())
    return digest.hexdigest()


def _what_counts(study: Study) -> tuple[object, ...]:
    images = [_image(image) for image in study.images]
    return study.split, study.id, images, dict(study.sections), dict(study.findings)


def _image(image: ImageFile) -> tuple[object, ...]:
    """The length in bytes tells pictures that were stored in another size or quality."""
    return image.path, image.view, image.height, image.width, image.stored.length if image.stored else None
