"""The proof of an export: made-up pictures and texts, and how far their embeddings are from the run's."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cxr_clip.errors import ExportError

TOLERANCE = 1e-4
BATCHES = (1, 2, 5, 8)
_SENTENCES = (
    "There is a small right pleural effusion.",
    "",
    "No pneumothorax is seen; the heart is enlarged.",
    "LEFT lower lobe opacity, 3.5 cm, naïve comparison.",
    "Lungs are clear.",
)


@dataclass(frozen=True)
class Differences:
    """The largest difference of any number of an embedding."""

    images: float
    texts: float


@dataclass(frozen=True)
class Kept:
    """How near embeddings stay to the run's: cosines, and the share that is nearest to its own among all.

    Embeddings of radiographs lie close to each other, so that a high cosine alone says little.
    """

    count: int
    mean_cosine: float
    least_cosine: float
    nearest_to_own: float


@dataclass(frozen=True)
class Int8:
    """What 8 bits cost, on real pictures and texts that were not calibrated on.

    `manifest` is the SHA-256 of their list.
    """

    manifest: str
    calibrated: int
    images: Kept
    texts: Kept | None


@dataclass(frozen=True)
class Certificate:
    """The largest difference of any number of an embedding, and what was compared; hashes are SHA-256.

    `apart` is the largest such difference between two pictures: where it is near 0, all pictures look the same to the
    model, and `images` says little. Where there is `int8`, the files were made 8-bit integers after this comparison;
    `bf16` is the same comparison where products are computed in bfloat16.
    """

    images: float
    texts: float
    apart: float
    tolerance: float
    pictures: tuple[str, ...]
    tokens: tuple[int, ...]
    batches: tuple[int, ...]
    model: str
    files: dict[str, str]
    versions: dict[str, str]
    bf16: Differences | None = None
    int8: Int8 | None = None

    def content(self) -> dict[str, object]:
        """The certificate as JSON has it."""
        return {"format": 1, **{name: value for name, value in asdict(self).items() if value is not None}}


def made_up_pictures(size: int) -> list[UInt8[np.ndarray, "height width"]]:
    """Grey pictures, smooth and grainy, square, high, wide, smaller than the model's and larger; always the same."""
    rng = np.random.default_rng(0)
    sides = [(size, size), (3 * size // 2, size), (size, 2 * size), (2 * size + 7, size + 3), (3 * size, 3 * size)]
    sides += [(max(1, size // 2), size), (size + 1, size + 2), (size // 2 + 1, size // 2 + 1)]
    return [_picture(height, width, rng) for height, width in sides]


def made_up_texts(max_tokens: int) -> list[str]:
    """Texts of no word, of one sentence, of several, and of more than the model reads; always the same."""
    long = " ".join(_SENTENCES)
    return [*_SENTENCES, long, f"{long} {long}", "effusion " * max_tokens]


def largest_difference(
    embed: Callable[[int, int], Float[Tensor, "batch dim"]], expected: Float[Tensor, "count dim"]
) -> float:
    """The largest difference of embeddings from `expected`, over all batches of every size of `BATCHES`.

    `embed` returns the embeddings of rows from the first number up to the second. Not finite: infinite.
    """
    worst = 0.0
    for size in BATCHES:
        for start in range(0, len(expected), size):
            rows = expected[start : start + size]
            found = embed(start, start + len(rows))
            if found.shape != rows.shape or not bool(torch.isfinite(found).all()):
                return float("inf")
            worst = max(worst, float((found - rows).abs().max()))
    return worst


def refuse_difference(certificate: Certificate) -> None:
    """Raise ExportError where embeddings differ by more than the tolerance."""
    differences = {"images": certificate.images, "texts": certificate.texts}
    far = [f"of {name} by {value:.1e}" for name, value in differences.items() if not value <= certificate.tolerance]
    if far:
        raise ExportError(
            f"the exported model is not the run's: embeddings {' and '.join(far)} differ, {certificate.tolerance:.0e} "
            "is allowed; nothing was written: try the versions of constraints.txt"
        )


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The installed versions of packages."""
    return {package: version(package) for package in packages}


def _picture(height: int, width: int, rng: np.random.Generator) -> UInt8[np.ndarray, "height width"]:
    down, across = np.mgrid[0:height, 0:width]
    waves = 110 + 60 * np.sin(down / height * rng.uniform(2, 9)) + 50 * np.cos(across / width * rng.uniform(2, 9))
    grainy = np.clip(waves + rng.normal(0, 12, (height, width)), 0, 255)
    return np.asarray(grainy, dtype=np.uint8)
