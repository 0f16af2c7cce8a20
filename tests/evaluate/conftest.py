"""A made-up world small enough to reason about: a finding is a bright block of the image and a word of the report."""

import re
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.study import Certainty, ImageFile, Split, Study, View

FINDINGS = ("Cardiomegaly", "Edema", "Pneumothorax")


class BlockEmbedder:
    """Reads the brightness of three blocks of an image, and looks for three words and their negation in a text."""

    def __init__(self):
        self.images = 0
        self.texts = 0

    def embed_images(self, images):
        self.images += len(images)
        blocks = np.stack([[image[:, 8 * i : 8 * i + 8].mean() for i in range(3)] for image in images])
        return normalize(torch.tensor(np.c_[blocks / 64 - 2, np.full(len(images), 0.1)], dtype=torch.float32), dim=1)

    def embed_texts(self, texts):
        self.texts += len(texts)
        rows = []
        for text in texts:
            words = text.lower()
            said = [
                0 if name.lower() not in words else -1 if re.search(f"no {name.lower()}", words) else 1
                for name in FINDINGS
            ]
            rows.append([*said, 0.1 + zlib.crc32(text.encode()) % 997 / 5000])
        return normalize(torch.tensor(rows), dim=1)


@dataclass(frozen=True)
class World:
    """Studies with their pictures."""

    studies: list[Study]
    pictures: dict[str, np.ndarray]

    def read(self, image):
        return self.pictures[image.path]


def make_world(count=60, seed=0, noise=30.0):
    rng = np.random.default_rng(seed)
    studies, pictures = [], {}
    for index in range(count):
        present = rng.random(len(FINDINGS)) < 0.4
        words = [name if has else f"no {name}" for name, has in zip(FINDINGS, present, strict=True)]
        files = [ImageFile(f"{index}-a.png", View.PA), ImageFile(f"{index}-b.png", View.LATERAL)]
        if index % 5 == 0:
            files.append(ImageFile(f"{index}-c.png", View.AP))
        for file in files:
            level = np.repeat(np.where(present, 160.0, 96.0), 8) + np.repeat(rng.normal(0, noise, 3), 8)
            pictures[file.path] = np.clip(np.broadcast_to(level, (24, 24)), 0, 255).astype(np.uint8)
        studies.append(
            Study(
                id=f"study-{index}",
                patient=f"patient-{index // 2}",
                source="made-up",
                split=Split.TEST,
                images=tuple(files),
                sections={"findings": ", ".join(words) + f" <{index}>.", "impression": words[0]},
                findings={
                    name: Certainty.POSITIVE if has else Certainty.NEGATIVE
                    for name, has in zip(FINDINGS, present, strict=True)
                },
            )
        )
    return World(studies, pictures)


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def world_of():
    """Makes other worlds: studies, seed and noise."""
    return make_world


@pytest.fixture
def embedder():
    return BlockEmbedder()


@pytest.fixture
def prompts():
    return {
        "standard": {name: ZeroShotPrompt(name, (name,), (f"No {name.lower()}",)) for name in FINDINGS},
        "paraphrase": {
            name: ZeroShotPrompt(name, (name, f"there is {name}"), (f"no {name} seen",)) for name in FINDINGS
        },
    }
