"""The manifests that a model was trained on, as far as they are on this machine; each is read once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from cxr_clip.data.hold_out import findings_to_hold_out
from cxr_clip.data.manifest import FILE_NAME, Manifest, read_manifest
from cxr_clip.learned_from import learned_from
from cxr_clip.recipe import DataSettings, Recipe


@dataclass(frozen=True, eq=False)
class TrainingManifests:
    """Those that recipes name, or those of `trained_on` in their place.

    The recipes are that of the model, and those of the runs that it started from (checkpoint.Run). A manifest that they
    spell differently is one, and is shown as it is spelled first.
    """

    recipe: Recipe
    trained_on: Sequence[Path] | None = None
    started_from: Sequence[Recipe] = ()

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
        """What any of the trainings learned from in each that is here. Raises ManifestError."""
        return tuple(_learned_by_any(read_manifest(folder, check=False), self._folders[folder]) for folder in self.here)

    @property
    def held_out(self) -> frozenset[str]:
        """The findings that none of the trainings was to see."""
        return frozenset.intersection(*(findings_to_hold_out(one.hold_out) for one in self._trainings))

    @property
    def _trainings(self) -> list[DataSettings]:
        return [one.data for one in (self.recipe, *self.started_from)]

    @cached_property
    def _folders(self) -> dict[Path, list[DataSettings]]:
        """Each manifest with the trainings that name it; one that is named in their place may be that of any."""
        if self.trained_on:
            return dict.fromkeys(_by_place(self.trained_on).values(), self._trainings)
        named = _by_place(source.manifest for one in self._trainings for source in one.sources)
        return {
            path: [one for one in self._trainings if place in _by_place(source.manifest for source in one.sources)]
            for place, path in named.items()
        }


def _learned_by_any(manifest: Manifest, settings: Sequence[DataSettings]) -> Manifest:
    """The studies that at least one training learned from, each once."""
    differing = {(one.part, one.hold_out): one for one in settings}.values()
    first, *others = [learned_from(manifest, one) for one in differing]
    if not others:
        return first
    ids = {one for part in (first, *others) for one in part.table["id"].to_pylist()}
    return Manifest(manifest.root, manifest.table.filter(pc.is_in(manifest.table["id"], pa.array(sorted(ids)))))


def _is_manifest(path: Path) -> bool:
    """Whether there is a manifest, or a folder that has one."""
    return _file(path).is_file()


def _by_place(paths: Iterable[Path]) -> dict[Path, Path]:
    """The first spelling of each manifest by where its file lies."""
    spelled: dict[Path, Path] = {}
    for path in paths:
        spelled.setdefault(_file(path).resolve(), path)
    return spelled


def _file(path: Path) -> Path:
    """The file of a manifest that is named itself, or by its folder."""
    return path / FILE_NAME if path.is_dir() else path
