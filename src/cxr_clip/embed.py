"""Images and texts to embeddings with a trained model: what `cxr_clip.load` returns."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.assemble import choose_device
from cxr_clip.checkpoint import Run, load_run
from cxr_clip.data.transforms import EvalTransform
from cxr_clip.errors import EmbeddingInputError
from cxr_clip.model.tokeniser import tokenise
from cxr_clip.sharing.facts import gather
from cxr_clip.sharing.folder import write_model
from cxr_clip.sharing.hub import HubApi, find_model, push_model

if TYPE_CHECKING:
    from cxr_clip.model.dual_encoder import DualEncoder

BATCH = 64
T = TypeVar("T")


class Embedder:
    """A model ready to use: unit-length embeddings of chest X-rays and texts in one space.

    Images are 8-bit grey arrays of any size; they are resized and cropped as the model's recipe says.
    """

    def __init__(self, run: Run, *, device: str = "cpu", folder: Path | None = None) -> None:
        """`folder` is that of the run, where the facts of a model card lie; without it the card says less."""
        self.recipe = run.recipe
        self.device = device
        self._run = run
        self._folder = folder
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

    def embed_images(self, images: Sequence[NDArray[Any]]) -> Float[Tensor, "count dim"]:
        """The embeddings of grey 8-bit pictures (uint8, height x width), on the CPU.

        Raises EmbeddingInputError for pictures in colour or of other numbers.
        """
        for number, image in enumerate(images):
            _refuse_no_picture(image, number)
        return self._in_batches(images, self._embed_pictures)

    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "count dim"]:
        """The embeddings of texts (reports, sentences or prompts), on the CPU.

        Raises EmbeddingInputError for a single text that is not in a list: its letters would be the texts.
        """
        if isinstance(texts, str):
            raise EmbeddingInputError(f"embed_texts takes a list of texts, not one text: give [{texts[:40]!r}]")
        return self._in_batches(texts, self._embed_sentences)

    def save(self, folder: str | Path, *, licence: str = "other") -> None:
        """Write the model into a new folder that `cxr_clip.load` takes, with a model card and without paths of here.

        `licence` is an identifier of the hub, such as "cc-by-nc-4.0". Raises CheckpointError where the folder is not
        empty, or the run's report cannot be read.
        """
        write_model(Path(folder), self._run, gather(self.recipe, self._folder), licence=licence)

    def push(self, repo_id: str, *, private: bool = True, licence: str = "other", api: HubApi | None = None) -> str:
        """Write what `save` writes to the hub as "owner/name", and return its address.

        Raises HubError where the login is missing, or the hub refuses or cannot be reached.
        """
        facts = gather(self.recipe, self._folder)
        return push_model(repo_id, self._run, facts, private=private, licence=licence, api=api)

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


def _refuse_no_picture(image: object, number: int) -> None:
    if isinstance(image, np.ndarray) and image.ndim == 2 and image.dtype == np.uint8:
        return
    found = (
        f"an array of {image.dtype} and shape {image.shape}"
        if isinstance(image, np.ndarray)
        else f"of type {type(image).__name__}"
    )
    raise EmbeddingInputError(
        f"picture {number} is {found}: give a list of grey pictures as uint8 arrays of height x width, such as "
        "cxr_clip.data.images.decode_image makes of the bytes of a file"
    )


def load(name_or_folder: str | Path, *, device: str = "auto", revision: str | None = None) -> Embedder:
    """Load the best weights of a run folder, or of a model on the hub ("owner/name", at `revision` if given).

    Device "auto" takes a GPU if there is one.

    Raises CheckpointError where the folder is not a run, is incomplete or does not fit its recipe, HubError where the
    model is not to be had, RecipeError where the device is not.
    """
    chosen = choose_device(device)
    folder = find_model(name_or_folder, revision=revision)
    return Embedder(load_run(folder), device=chosen, folder=folder)
