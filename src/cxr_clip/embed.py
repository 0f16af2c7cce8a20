"""Images and texts to embeddings with a trained model: what `cxr_clip.load` returns."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.checkpoint import Run, load_run
from cxr_clip.data.transforms import EvalTransform
from cxr_clip.model.tokeniser import tokenise

if TYPE_CHECKING:
    from cxr_clip.model.dual_encoder import DualEncoder

BATCH = 64
T = TypeVar("T")


class Embedder:
    """A model ready to use: unit-length embeddings of chest X-rays and texts in one space.

    Images are 8-bit grey arrays of any size; they are resized and cropped as the model's recipe says.
    """

    def __init__(self, run: Run, *, device: str = "cpu") -> None:
        self.recipe = run.recipe
        self.device = device
        self._model: DualEncoder = run.model.to(device).eval()
        self._tokeniser = run.tokeniser
        self._transform = EvalTransform(run.recipe.data.image_size)

    @property
    def dim(self) -> int:
        """The size of an embedding."""
        return self.recipe.model.embedding_size

    @property
    def scale(self) -> float:
        """1/temperature: what a cosine is multiplied with before a softmax."""
        return float(self._model.scale.detach())

    def embed_images(self, images: Sequence[UInt8[np.ndarray, "_height _width"]]) -> Float[Tensor, "count dim"]:
        """The embeddings of grey 8-bit pictures, on the CPU."""
        return self._in_batches(images, self._embed_pictures)

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "count dim"]:
        """The embeddings of texts (reports, sentences or prompts), on the CPU."""
        return self._in_batches(texts, self._embed_sentences)

    def _embed_pictures(self, images: Sequence[NDArray[np.uint8]]) -> Tensor:
        pictures = np.stack([self._transform(image) for image in images])
        return self._model.embed_images(torch.from_numpy(pictures)[:, None].to(self.device))

    def _embed_sentences(self, texts: Sequence[str]) -> Tensor:
        tokens = tokenise(self._tokeniser, list(texts), max_length=self.recipe.data.max_tokens)
        return self._model.embed_texts(tokens.to(self.device))

    @torch.inference_mode()
    def _in_batches(self, things: Sequence[T], embed: Callable[[Sequence[T]], Tensor]) -> Float[Tensor, "count dim"]:
        parts = [embed(things[start : start + BATCH]).float().cpu() for start in range(0, len(things), BATCH)]
        return torch.cat([torch.empty(0, self.dim), *parts])


def load(folder: str | Path, *, device: str = "cpu") -> Embedder:
    """Load the best weights of a run folder.

    Raises CheckpointError where the folder is not a run, is incomplete or does not fit its recipe.
    """
    return Embedder(load_run(Path(folder)), device=device)
