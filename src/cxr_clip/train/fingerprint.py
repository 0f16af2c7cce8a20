"""What a run learns from as one number, so that it is never continued on other studies.

Where the manifest lies does not count, nor where in its shards an image does, nor any study of another split. Prompts
of a user's own file count, as labels are put into their words.
"""

import hashlib
import json
from collections.abc import Sequence

from cxr_clip.assemble import Source
from cxr_clip.data.prompts import PromptBank, load_prompt_bank
from cxr_clip.study import ImageFile, Study


def fingerprint(sources: Sequence[Source]) -> str:
    """The sha256 of all training and validation studies, in their order, and of prompts, as hexadecimal digits."""
    digest = hashlib.sha256()
    for bank in _own_banks(sources):
        words = [(*statement, sentences) for statement, sentences in bank.groups.items()]
        digest.update(json.dumps(sorted(words)).encode())
    for number, source in enumerate(sources):
        for manifest in (source.train, source.validate):
            for study in manifest:
                digest.update(json.dumps((number, *_what_counts(study)), sort_keys=True).encode())
    return digest.hexdigest()


def _own_banks(sources: Sequence[Source]) -> list[PromptBank]:
    """The prompts of a user's own file, which all sources share; none where they are the project's."""
    return [source.wording.bank for source in sources[:1] if source.wording.bank.groups != load_prompt_bank().groups]


def _what_counts(study: Study) -> tuple[object, ...]:
    images = [_image(image) for image in study.images]
    return study.split, study.id, images, dict(study.sections), dict(study.findings)


def _image(image: ImageFile) -> tuple[object, ...]:
    """The length in bytes tells pictures that were stored in another size or quality."""
    return image.path, image.view, image.height, image.width, image.stored.length if image.stored else None
