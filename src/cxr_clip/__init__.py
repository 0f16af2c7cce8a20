"""CXR-CLIP: contrastive language-image pre-training for chest X-rays."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxr_clip.embed import Embedder

__version__ = "0.1.0"
__all__ = ["load"]


def load(name_or_folder: "str | Path", *, device: str = "auto", revision: str | None = None) -> "Embedder":
    """Load the best weights of a run folder or of a model on the hub; torch is imported here and not before.

    `name_or_folder` is the path of a folder, or "owner/name" on the hub, of which `revision` names a branch, tag or
    commit. `device` "auto" takes a GPU if there is one; "cpu" or "cuda:1" decide otherwise.

    Raises CheckpointError where the folder is not a run, is incomplete or does not fit its recipe, HubError where the
    model cannot be found or fetched, and RecipeError where the device is not to be had.
    """
    from cxr_clip import embed

    return embed.load(name_or_folder, device=device, revision=revision)
