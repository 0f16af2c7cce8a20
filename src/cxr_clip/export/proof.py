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
    Differences,
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
        return image(torch.from_numpy(np.stack([embedder.encoder.square(picture) for picture in pictures]))[:, None])

    def embed_texts(texts: Sequence[str]) -> Tensor:
        tokens = tokenise(run.tokeniser, texts, max_length=run.recipe.data.max_tokens)
        return text(tokens.ids, tokens.mask)

    return Exported(embed_images, embed_texts)


def differences(run: Run, exported: Exported) -> Differences:
    """How far the embeddings of made-up pictures and texts are from the run's."""
    embedder = Embedder(run)
    pictures, texts = _made_up(run)
    by_pictures, by_texts = embedder.embed_images(pictures), embedder.embed_texts(texts)
    return Differences(
        images=largest_difference(lambda first, last: exported.embed_images(pictures[first:last]), by_pictures),
        texts=largest_difference(lambda first, last: exported.embed_texts(texts[first:last]), by_texts),
    )


def prove(
    run: Run, exported: Exported, files: Sequence[Path], *, packages: Sequence[str], tolerance: float
) -> Certificate:
    """Compare the embeddings of made-up pictures and texts; `packages` are those whose versions matter."""
    embedder = Embedder(run)
    pictures, texts = _made_up(run)
    embeddings, found = embedder.embed_images(pictures), differences(run, exported)
    return Certificate(
        images=found.images,
        texts=found.texts,
        apart=float((embeddings.amax(dim=0) - embeddings.amin(dim=0)).max()),
        tolerance=tolerance,
        pictures=tuple(f"{picture.shape[0]}x{picture.shape[1]}" for picture in pictures),
        tokens=tuple(tokenise(run.tokeniser, texts, max_length=run.recipe.data.max_tokens).mask.sum(dim=1).tolist()),
        batches=BATCHES,
        model=embedder.fingerprint,
        files=hashes(files),
        versions=versions(("cxr-clip", "torch", "transformers", *packages)),
    )


def hashes(files: Sequence[Path]) -> dict[str, str]:
    """The SHA-256 of files, by their names."""
    return {file.name: _sha256(file) for file in files}


def _made_up(run: Run) -> tuple[list[Picture], list[str]]:
    data = run.recipe.data
    return made_up_pictures(data.image_size), made_up_texts(data.max_tokens)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
