"""The manifests that a model was trained on, as far as they are on this machine; each is read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cxr_clip.data.manifest import FILE_NAME, Manifest, read_manifest
from cxr_clip.learned_from import learned_from
from cxr_clip.recipe import Recipe


@dataclass(frozen=True, eq=False)
class TrainingManifests:
    """Those that a recipe names, or those of `trained_on` in their place."""

    recipe: Recipe
    trained_on: Sequence[Path] | None = None

    @cached_property
    def here(self) -> tuple[Path, ...]:
        """The ones that are on this machine."""
        return tuple(folder for folder in self._folders if _is_manifest(folder))

    @property
    def absent(self) -> tuple[Path, ...]:
        """The ones that are not."""
        return tuple(folder for folder in self._folders if folder not in self.here)

    @cached_property
    def studies(self) -> tuple[Manifest, ...]:
        """What the recipe learns from in each that is here. Raises ManifestError."""
        return tuple(learned_from(read_manifest(folder, check=False), self.recipe.data) for folder in self.here)

    @property
    def _folders(self) -> tuple[Path, ...]:
        return tuple(self.trained_on or (source.manifest for source in self.recipe.data.sources))


def _is_manifest(path: Path) -> bool:
    """Whether there is a manifest, or a folder that has one."""
    return (path / FILE_NAME if path.is_dir() else path).is_file()
