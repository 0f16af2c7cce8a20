"""Input statistics of image backbones: given, stored beside the weights, or the family's."""

import json
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.errors import CheckpointError
from cxr_clip.model.backbones import local_file

FILE = "preprocessor_config.json"

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of the three input channels, for pictures between 0 and 1."""

    mean: Channels
    std: Channels

    def write(self, folder: Path) -> None:
        """Write the statistics as transformers' preprocessor_config.json."""
        content = {"image_mean": list(self.mean), "image_std": list(self.std)}
        (folder / FILE).write_text(json.dumps(content, indent=2) + "\n")


IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
HALF = Normalisation(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def family_normalisation(model_type: str) -> Normalisation:
    """Return the paper's choice: ImageNet's statistics for ResNet, 0.5 and 0.5 for everything else."""
    return IMAGENET if model_type == "resnet" else HALF


def stored_normalisation(name_or_folder: str) -> Normalisation | None:
    """Return the statistics in a model's preprocessor_config.json, None where it has none.

    Raises CheckpointError if the file is there and cannot be read.
    """
    path = local_file(name_or_folder, FILE)
    if path is None:
        return None
    try:
        content = json.loads(path.read_text())
        if "image_mean" not in content:
            return None
        first, second, third = map(float, content["image_mean"])
        deviations = tuple(map(float, content["image_std"]))
        return Normalisation(mean=(first, second, third), std=(deviations[0], deviations[1], deviations[2]))
    except (ValueError, TypeError, KeyError, IndexError) as error:
        mend = "it needs image_mean and image_std of three numbers each; mend or delete the file"
        raise CheckpointError(f"cannot read {path}: {error}; {mend}") from error
