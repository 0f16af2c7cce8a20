"""A model in use on its device: squares and sentences, a batch at a time, to features, embeddings and local scores."""

import copy
from collections.abc import Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cxr_clip.checkpoint import Run
from cxr_clip.data.transforms import EvalTransform
from cxr_clip.model.local_scores import LocalScores, Method, known_method, local_scores
from cxr_clip.model.places import Places, places_of
from cxr_clip.model.tokeniser import tokenise

if TYPE_CHECKING:
    from cxr_clip.model.dual_encoder import DualEncoder
    from cxr_clip.model.image_encoder import ImageEncoder


class Encoder:
    """The two towers of a run, with the transform and the tokeniser that belong to them.

    A square is a grey picture that `square` made: resized and cropped, as the model sees it.
    """

    def __init__(self, run: Run, *, device: str = "cpu") -> None:
        self.device = device
        self.transform = EvalTransform(run.recipe.data.image_size)
        self._model: DualEncoder = run.model.to(device).eval()
        self._tokeniser = run.tokeniser
        self._max_tokens = run.recipe.data.max_tokens
        self._places = cache(partial(places_of, self._model.image, run.recipe.data.image_size))

    @property
    def scale(self) -> float:
        """1/temperature: what a cosine is multiplied with before a softmax."""
        return float(self._model.scale.detach())

    def square(self, picture: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "size size"]:
        """A grey picture as the model sees it: resized and cropped."""
        return self.transform(picture)

    def embed_squares(self, squares: Sequence[UInt8[np.ndarray, "size size"]]) -> Float[Tensor, "count dim"]:
        """The unit-length embeddings of squares, on the CPU."""
        return self.embed_features(self.features(squares)).cpu()

    @torch.inference_mode()
    def features(self, squares: Sequence[UInt8[np.ndarray, "size size"]]) -> Float[Tensor, "count features"]:
        """What the image encoder makes of squares, before the projection, on the model's device."""
        features: Tensor = self._model.image(self._pixels(squares))
        return features.float()

    @torch.inference_mode()
    def embed_features(self, features: Float[Tensor, "count features"]) -> Float[Tensor, "count dim"]:
        """The unit-length embeddings of `features`, on the model's device."""
        return self._model.project_images(features).float()

    @torch.inference_mode()
    def embed_sentences(self, texts: Sequence[str]) -> Float[Tensor, "count dim"]:
        """The unit-length embeddings of texts, on the CPU."""
        tokens = tokenise(self._tokeniser, list(texts), max_length=self._max_tokens)
        return self._model.embed_texts(tokens.to(self.device)).float().cpu()

    def locate(
        self,
        squares: Sequence[UInt8[np.ndarray, "size size"]],
        directions: Float[Tensor, "directions dim"],
        *,
        method: Method | str | None = None,
    ) -> tuple[LocalScores, Places]:
        """The products of squares' embeddings with directions, taken apart by place, and where the places lie.

        Raises EmbeddingInputError for a method that does not fit the encoder.
        """
        towards = directions.to(self.device)
        found = local_scores(self._model, self._pixels(squares), towards, method=known_method(method))
        return found, self._places(found.places.shape[-1])

    def image_encoder(self) -> "ImageEncoder":
        """A copy of the image encoder, to train on."""
        return copy.deepcopy(self._model.image)

    def _pixels(self, squares: Sequence[UInt8[np.ndarray, "size size"]]) -> UInt8[Tensor, "count 1 size size"]:
        return torch.from_numpy(np.stack(squares))[:, None].to(self.device)
