"""What 8 bits leave of a model, on real pictures and texts."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from cxr_clip.embed import Embedder
from cxr_clip.errors import ExportError
from cxr_clip.export.certificate import Int8, Kept
from cxr_clip.export.proof import Exported
from cxr_clip.export.real_inputs import RealInputs

BATCH = 16
Input = TypeVar("Input")
# Below it, on average, what is left is another model.
LEAST_COSINE = 0.9


def compare_real(embedder: Embedder, exported: Exported, real: RealInputs) -> Int8:
    """Compare an 8-bit model with its run, on pictures and texts that it was not calibrated on."""
    pictures = _in_batches(exported.embed_images, real.pictures)
    return Int8(
        manifest=real.manifest,
        calibrated=len(real.calibration),
        images=kept(pictures, embedder.embed_images(real.pictures)),
        texts=kept(_in_batches(exported.embed_texts, real.texts), embedder.embed_texts(real.texts))
        if real.texts
        else None,
    )


def _in_batches(embed: Callable[[Sequence[Input]], Tensor], inputs: Sequence[Input]) -> Tensor:
    return torch.cat([embed(inputs[start : start + BATCH]) for start in range(0, len(inputs), BATCH)])


def kept(found: Float[Tensor, "count dim"], expected: Float[Tensor, "count dim"]) -> Kept:
    """Compare unit-length embeddings, row by row and with all others."""
    cosines = found @ expected.T
    own = cosines.diagonal()
    nearest = (cosines.argmax(dim=1) == torch.arange(len(found))).float().mean()
    return Kept(len(found), float(own.mean()), float(own.min()), float(nearest))


def refuse_other_model(int8: Int8) -> None:
    """Raise ExportError where 8 bits leave another model."""
    for name, found in (("pictures", int8.images), ("texts", int8.texts)):
        if found is not None and not found.mean_cosine >= LEAST_COSINE:
            raise ExportError(
                f"in 8 bits the embeddings of {name} have a mean cosine of {found.mean_cosine:.3f} with the run's, "
                f"{LEAST_COSINE} is the least; nothing was written: export without --int8"
            )
