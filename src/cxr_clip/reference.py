"""The images that a model knows, in a few numbers, to tell whether it should be asked about another.

The features of training images have a mean and a covariance, shrunk towards a sphere (Ledoit and Wolf, 2004). The
distance of an image is Mahalanobis's, and the limit is what 99 % of validation images stay below: of pictures like
those, one in a hundred is refused by design (Lee et al., arXiv:1807.03888, tell unknown pictures in this way).

Features are those before the projection. Embeddings are not enough: what a projection to the space of texts leaves out
is just what makes noise or a page of text unlike a chest (benchmarks/results/abstain.json).
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cxr_clip.calibration import hash_weights
from cxr_clip.errors import CheckpointError
from cxr_clip.tensor_files import write_tensors

REFERENCE = "reference.safetensors"
REFUSED_SHARE = 0.01
# A deviation that is smaller against the mean feature is rounding: single precision resolves 1.2e-7.
LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Reference:
    """Where known images lie, and how far others may be; `whitening` makes their spread equal in all directions.

    `weights` is the SHA-256 of the weights file that it belongs to, `fitted` and `checked` are how many images gave
    the mean and the limit; `refused` is the share of the latter that lies beyond.
    """

    mean: Float[Tensor, "features"]
    whitening: Float[Tensor, "features features"]
    limit: float
    weights: str
    fitted: int
    checked: int
    refused: float = REFUSED_SHARE

    def distances(self, features: Float[Tensor, "count features"]) -> Float[Tensor, "count"]:
        """Return how far images are off, in deviations of the known ones, on the CPU."""
        offsets = (features.cpu().double() - self.mean.double()) @ self.whitening.double()
        distances: Tensor = offsets.square().sum(dim=1).sqrt()
        return distances

    def doubts(self, features: Float[Tensor, "count features"]) -> list[tuple[str, ...]]:
        """Return for each image what speaks against it: nothing, or how much further off it is than the limit."""
        return [
            (f"it is unlike the images that the model knows (distance {far:.1f}, {1 - self.refused:.0%} of them are "
             f"within {self.limit:.1f})",) if far > self.limit else ()
            for far in self.distances(features).tolist()
        ]  # fmt: skip


def fit_reference(
    known: Float[Tensor, "count features"], checked: Float[Tensor, "others features"], *, weights: str
) -> Reference:
    """Fit mean and covariance on `known` features, and the limit on others.

    Raises CheckpointError where there are fewer than 2 of the first or none of the second, and where all features of
    the first are the same, so that nothing could ever be unlike them.
    """
    from sklearn.covariance import LedoitWolf

    if len(known) < 2 or not len(checked):
        raise CheckpointError(
            f"{len(known)} training and {len(checked)} validation images do not say what is usual: give a manifest "
            "with more of both"
        )
    fitted = LedoitWolf().fit(known.double().numpy(force=True))
    values, vectors = np.linalg.eigh(fitted.covariance_)
    if values[-1] <= (LEAST_SPREAD * np.linalg.norm(fitted.location_)) ** 2:
        raise CheckpointError(
            f"the image tower gives all of {len(known)} training images the same feature, so nothing tells an unusual "
            "one: train longer, or from pretrained weights (model.image.pretrained)"
        )
    whitening = vectors / np.sqrt(np.maximum(values, values[-1] * 1e-9))
    reference = Reference(
        mean=torch.from_numpy(fitted.location_).float(),
        whitening=torch.from_numpy(whitening).float(),
        limit=0.0,
        weights=weights,
        fitted=len(known),
        checked=len(checked),
    )
    far = reference.distances(checked)
    return replace(reference, limit=float(torch.quantile(far, 1 - REFUSED_SHARE)))


def write_reference(folder: Path, reference: Reference) -> Path:
    """Write the reference of a run folder, whole or not at all."""
    tensors = {"mean": reference.mean, "whitening": reference.whitening}
    rest = {name: value for name, value in vars(reference).items() if name not in tensors}
    write_tensors(folder / REFERENCE, tensors, {"reference": json.dumps(rest)})
    return folder / REFERENCE


def read_reference(folder: Path) -> Reference | None:
    """Read the reference of a run folder; None where it has none.

    Raises CheckpointError where it belongs to other weights than those of the folder, or cannot be read.
    """
    path = folder / REFERENCE
    if not path.is_file():
        return None
    mend = f"run `cxr-clip reference` again, or remove {path.name}"
    try:
        with safe_open(path, framework="pt") as file:
            rest = json.loads(file.metadata()["reference"])
            found = Reference(mean=file.get_tensor("mean"), whitening=file.get_tensor("whitening"), **rest)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): {mend}") from error
    if found.weights != hash_weights(folder):
        raise CheckpointError(f"{path} belongs to other weights than the folder holds now: {mend}")
    return found
