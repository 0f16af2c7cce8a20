"""Which evaluated studies a model was trained on: the overlap audit against the manifests that its recipe names."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.errors import EvaluationError, ManifestError
from cxr_clip.evaluate.study_images import Advance
from cxr_clip.evaluate.training_counts import is_manifest
from cxr_clip.learned_from import learned_from
from cxr_clip.overlap.audit import audit
from cxr_clip.overlap.sides import Part, Side, read_side
from cxr_clip.recipe import Recipe

NOT_HERE = "not audited: the training manifests are not here"
NOT_ASKED = "not audited, as was asked for"


@dataclass(frozen=True)
class Seen:
    """The ids of evaluated studies that the training shares a patient, an image or a rare report with.

    `remark` says why nothing was audited, or what of it was not; without an audit `studies` is None.
    """

    studies: frozenset[str] | None
    remark: str = ""
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """The studies that a model was trained on, as far as they are on this machine; `remark` says how far."""

    side: Side | None
    remark: str = ""

    def seen(self, studies: Manifest) -> Seen:
        """Audit the studies of an evaluation."""
        if self.side is None:
            return Seen(None, self.remark)
        found = audit(self.side, read_side([Part(studies.root, studies)], threads=os.cpu_count() or 1))
        ids = np.asarray(studies.table["id"].to_pylist(), dtype=object)[~found.clean]
        return Seen(frozenset(ids.tolist()), self.remark, tuple(row.words for row in found.derivations))


def read_training(
    recipe: Recipe, trained_on: Sequence[Path] | None, *, wanted: bool = True, advance: Advance | None = None
) -> Training:
    """Read what a recipe learns from of the manifests that it names, or of those of `trained_on`.

    Those of a recipe that are not here are passed over and named in the remark. Raises ManifestError where one of
    `trained_on` is absent, EvaluationError where they are named and no audit is wanted.
    """
    if not wanted and trained_on:
        raise EvaluationError("--trained-on has no effect beside --no-audit: leave one of them out")
    if not wanted:
        return Training(None, NOT_ASKED)
    folders = list(trained_on or (source.manifest for source in recipe.data.sources))
    here = [folder for folder in folders if is_manifest(folder)]
    absent = [folder for folder in folders if folder not in here]
    if absent and trained_on:
        raise ManifestError(f"no manifest at {absent[0]}: give the folders of the training with --trained-on")
    parts = [Part(folder, learned_from(read_manifest(folder, check=False), recipe.data)) for folder in here]
    if not sum(len(part.manifest) for part in parts):
        return Training(None, NOT_HERE)
    remark = f"not audited against {', '.join(map(str, absent))}: not here" if absent else ""
    return Training(read_side(parts, threads=os.cpu_count() or 1, advance=advance), remark)
