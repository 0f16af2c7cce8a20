"""What figures were measured with, as results files say it: the machine, and the model."""

import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxr_clip.embed import Embedder


def machine() -> str:
    """The cores, architecture and system of this machine."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"


def model_facts(model: "Embedder") -> dict[str, object]:
    """Which weights, and the settings of their training that tell runs of a benchmark apart."""
    recipe = model.recipe
    return {
        "fingerprint": model.fingerprint,
        "recipe": recipe.name,
        "epochs": recipe.train.epochs,
        "image_size": recipe.data.image_size,
        "seed": recipe.train.seed,
    }
