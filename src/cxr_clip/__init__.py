"""CXR-CLIP: contrastive language-image pre-training for chest X-rays."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxr_clip.embed import Embedder

__version__ = "0.1.0"
__all__ = ["load"]


def load(folder: "str | Path", *, device: str = "auto") -> "Embedder":
    """Load the best weights of a run folder; torch is imported here and not before.

    Raises CheckpointError where the folder is not a run, is incomplete or does not fit its recipe.
    """
    from cxr_clip import embed

    return embed.load(folder, device=device)
