"""The score of a picture taken apart by place: the part of a cosine with a text that each position brings in.

With mean pooling this is exact: the projection of the mean of all positions is the mean of their projections, so the
cosine is the sum of what each position brings in. Where pooling is not the mean (a first token, a pooler of its own)
it is estimated with a gradient.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import isqrt
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cxr_clip.errors import EmbeddingInputError
from cxr_clip.model.dual_encoder import DualEncoder
from cxr_clip.model.image_encoder import ImageEncoder


class Method(StrEnum):
    """How a score is taken apart."""

    PARTS = "parts"
    GRADIENT = "gradient"


def known_method(name: "Method | str | None") -> Method | None:
    """A method by its name. Raises EmbeddingInputError for one that there is not."""
    if name is None or name in list(Method):
        return None if name is None else Method(name)
    raise EmbeddingInputError(f"there is no method {name!r}: take {' or '.join(Method)}, or leave it out")


@dataclass(frozen=True, eq=False)
class LocalScores:
    """What each place adds to the score of each direction; with `elsewhere`, which has no place, they add up to it."""

    places: Float[Tensor, "count directions rows columns"]
    elsewhere: Float[Tensor, "count directions"]
    method: Method

    @property
    def scores(self) -> Float[Tensor, "count directions"]:
        """The whole scores."""
        return self.places.sum(dim=(2, 3)) + self.elsewhere


def local_scores(
    model: DualEncoder,
    squares: UInt8[Tensor, "count 1 size size"],
    directions: Float[Tensor, "directions dim"],
    *,
    method: Method | None = None,
) -> LocalScores:
    """Take the scores of pictures apart; a score is the product of unit-length embedding and direction.

    Without a `method`: by parts where the encoder pools by the mean, else by gradient. Raises EmbeddingInputError where
    parts are asked of an encoder that pools otherwise.
    """
    if method is not Method.GRADIENT:
        found = _by_parts(model, squares, directions)
        if found is not None:
            return found
        if method is Method.PARTS:
            raise EmbeddingInputError(
                f"the image encoder pools by {model.image.pooling!r} and not by the mean of its positions, so its "
                f"score is no sum over places: take the method {Method.GRADIENT.value!r}"
            )
    return _by_gradient(model, squares, directions)


@torch.inference_mode()
def _by_parts(model: DualEncoder, squares: Tensor, directions: Tensor) -> LocalScores | None:
    """What each position brings in, exactly; None where the encoder does not pool by the mean."""
    output = model.image.outputs(squares)
    positions, rows = _positions(model.image, output.last_hidden_state)
    feature = model.image.pool(output)
    if not torch.allclose(feature, positions.mean(dim=1), rtol=1e-4, atol=1e-5):
        return None
    length = model.image_projection(feature).float().norm(dim=1)
    parts = model.image_projection(positions).float() @ directions.T / length[:, None, None] / positions.shape[1]
    return _placed(parts, rows, Method.PARTS)


@torch.enable_grad()
def _by_gradient(model: DualEncoder, squares: Tensor, directions: Tensor) -> LocalScores:
    """Gradient times activation at the input of the last stage or layer, summed over channels (HiResCAM).

    Grad-CAM averages the gradient over the picture first, which is the same at the last map of a mean-pooled network
    alone; in front of a further layer it can mark places that the score does not depend on (Draelos and Carin, 2020).
    """
    # A picture that asks for its gradient has one, whichever weights are frozen.
    pictures = (squares.float() / 255).requires_grad_()
    output = model.image.outputs(pictures, output_hidden_states=True)
    layer: Tensor = output.hidden_states[-2]
    scores = model.project_images(model.image.pool(output)).float() @ directions.T
    gradients = [
        torch.autograd.grad(column.sum(), layer, retain_graph=True)[0] for column in scores.unbind(dim=1)
    ]  # fmt: skip
    weighted = [_positions(model.image, gradient * layer) for gradient in gradients]
    rows = weighted[0][1]
    found = _placed(torch.stack([one.sum(dim=2) for one, _ in weighted], dim=2).float(), rows, Method.GRADIENT)
    rest = scores - found.scores
    return LocalScores(found.places.detach(), (found.elsewhere + rest).detach(), Method.GRADIENT)


def _positions(encoder: ImageEncoder, hidden: Tensor) -> tuple[Float[Tensor, "count positions channels"], int]:
    """A map or tokens as positions, row after row, those without a place first; and how many rows have places.

    Tokens without a place are what more than a square number there is: a class token, one of a teacher, registers.
    """
    precise = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
    if precise.ndim == 4:
        return precise.flatten(2).transpose(1, 2), precise.shape[2]
    settings: Any = encoder.backbone.config
    return precise, isqrt(precise.shape[1] - getattr(settings, "num_register_tokens", 0))


def _placed(parts: Float[Tensor, "count positions directions"], rows: int, method: Method) -> LocalScores:
    count, positions, directions = parts.shape
    columns = rows
    without = positions - rows * columns
    places = parts[:, without:].transpose(1, 2).reshape(count, directions, rows, columns)
    return LocalScores(places, parts[:, :without].sum(dim=1), method)
