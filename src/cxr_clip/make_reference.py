"""Which images a run knows, from the manifests that it learned from: written into the run folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cxr_clip.calibration import hash_weights
from cxr_clip.checkpoint import RECIPE, WEIGHTS
from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import BATCH, Embedder, load
from cxr_clip.errors import CheckpointError
from cxr_clip.read_ahead import read_ahead
from cxr_clip.recipe import load_recipe
from cxr_clip.reference import Reference, fit_reference, read_reference, write_reference
from cxr_clip.study import ImageFile, Split

# Of each split; evenly spaced over the manifests.
MAX_STUDIES = 2000
Advance = Callable[[int, int], None]


def make_reference(
    embedder: Embedder, folder: Path, manifests: Sequence[Path], *, advance: Advance | None = None
) -> Reference:
    """Look at images of training and validation studies, of at most MAX_STUDIES each, and write what is usual of them.

    All images of a study count, of whatever view. Raises ManifestError, ImageError and CheckpointError where there are
    too few images.
    """
    opened = [read_manifest(manifest) for manifest in manifests]
    known, checked = (_drawn(opened, split) for split in (Split.TRAIN, Split.VALIDATE))
    stores = [ImageStore(manifest.root) for manifest in opened]
    features = _features(embedder, stores, [*known, *checked], advance)
    reference = fit_reference(features[: len(known)], features[len(known) :], weights=hash_weights(folder))
    write_reference(folder, reference)
    return reference


def reference_of_run(run: Path, *, advance: Advance | None = None) -> Reference | None:
    """Make the reference of a trained run from the manifests of its recipe, unless it is there for these weights.

    The device is that of the training. None where the recipe has no validation studies, or the training no weights yet.
    """
    if not (run / WEIGHTS).is_file():
        return None
    try:
        if there := read_reference(run):
            return there
    except CheckpointError:
        pass  # of earlier weights
    recipe = load_recipe(run / RECIPE)
    manifests = [source.manifest for source in recipe.data.sources]
    if not any(len(read_manifest(manifest, check=False).where(split=Split.VALIDATE)) for manifest in manifests):
        return None
    return make_reference(load(run, device=recipe.train.device), run, manifests, advance=advance)


def _drawn(manifests: Sequence[Manifest], split: Split) -> list[tuple[int, ImageFile]]:
    """The images of evenly spaced studies, each with the number of its manifest."""
    parts = [manifest.where(split=split) for manifest in manifests]
    ends = np.cumsum([len(part) for part in parts])
    total = int(ends[-1])
    drawn = []
    for row in np.unique(np.linspace(0, total - 1, min(total, MAX_STUDIES)).astype(int)):
        number = int(np.searchsorted(ends, row, side="right"))
        study = parts[number][int(row - ends[number])]  # counted from the end of its part
        drawn += [(number, image) for image in study.images]
    return drawn


def _features(
    embedder: Embedder,
    stores: Sequence[ImageStore],
    images: Sequence[tuple[int, ImageFile]],
    advance: Advance | None,
) -> Float[Tensor, "images features"]:
    parts: list[Tensor] = []
    done = 0
    for squares in read_ahead(lambda one: embedder.encoder.square(stores[one[0]].read(one[1])), images, batch=BATCH):
        parts.append(embedder.encoder.features(squares).cpu())
        done += len(squares)
        if advance is not None:
            advance(done, len(images))
    return torch.cat(parts) if parts else torch.empty(0, 1)
