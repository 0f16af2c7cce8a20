"""An exported model beside the run that it came from: the same pictures and texts through both."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from cxr_clip.checkpoint import Run
from cxr_clip.embed import Embedder
from cxr_clip.export.certificate import (
    BATCHES,
    Certificate,
    largest_difference,
    made_up_pictures,
    made_up_texts,
    versions,
)
from cxr_clip.model.tokeniser import tokenise

Picture = UInt8[np.ndarray, "height width"]


@dataclass(frozen=True)
class Exported:
    """A model as another program computes it: from grey pictures and from texts to embeddings."""

    embed_images: Callable[[Sequence[Picture]], Tensor]
    embed_texts: Callable[[Sequence[str]], Tensor]


def from_towers(run: Run, image: Callable[..., Tensor], text: Callable[..., Tensor]) -> Exported:
    """What two towers make of pictures that were squared, and texts that were tokenised, as the run has it."""
    embedder = Embedder(run)

    def embed_images(pictures: Sequence[Picture]) -> Tensor:
        return image(torch.from_numpy(np.stack([embedder.square(picture) for picture in pictures]))[:, None])

    def embed_texts(texts: Sequence[str]) -> Tensor:
        tokens = tokenise(run.tokeniser, texts, max_length=run.recipe.data.max_tokens)
        return text(tokens.ids, tokens.mask)

    return Exported(embed_images, embed_texts)


def prove(
    run: Run, exported: Exported, files: Sequence[Path], *, packages: Sequence[str], tolerance: float
) -> Certificate:
    """Compare the embeddings of made-up pictures and texts; `packages` are those whose versions matter."""
    embedder, data = Embedder(run), run.recipe.data
    pictures, texts = made_up_pictures(data.image_size), made_up_texts(data.max_tokens)
    expected = embedder.embed_images(pictures)
    return Certificate(
        images=largest_difference(lambda first, last: exported.embed_images(pictures[first:last]), expected),
        texts=largest_difference(
            lambda first, last: exported.embed_texts(texts[first:last]), embedder.embed_texts(texts)
        ),
        apart=float((expected.amax(dim=0) - expected.amin(dim=0)).max()),
        tolerance=tolerance,
        pictures=tuple(f"{picture.shape[0]}x{picture.shape[1]}" for picture in pictures),
        tokens=tuple(tokenise(run.tokeniser, texts, max_length=data.max_tokens).mask.sum(dim=1).tolist()),
        batches=BATCHES,
        model=embedder.fingerprint,
        files={file.name: _sha256(file) for file in files},
        versions=versions(("cxr-clip", "torch", "transformers", *packages)),
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
