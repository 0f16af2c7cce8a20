"""Which evaluated studies a model was trained on: the overlap audit against the manifests that its recipe names."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cxr_clip.data.manifest import Manifest
from cxr_clip.errors import EvaluationError, ManifestError
from cxr_clip.evaluate.study_images import Advance
from cxr_clip.evaluate.training_manifests import TrainingManifests
from cxr_clip.overlap.audit import audit
from cxr_clip.overlap.sides import Part, Side, read_side

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
    """The studies that a model was trained on, as far as they are on this machine; `remark` says how far.

    `cache` is a folder of scans, as `read_side` takes it.
    """

    side: Side | None
    remark: str = ""
    cache: Path | None = None

    def seen(self, studies: Manifest) -> Seen:
        """Audit the studies of an evaluation."""
        if self.side is None:
            return Seen(None, self.remark)
        evaluated = read_side([Part(studies.root, studies)], threads=os.cpu_count() or 1, cache=self.cache)
        found = audit(self.side, evaluated)
        ids = np.asarray(studies.table["id"].to_pylist(), dtype=object)[~found.clean]
        return Seen(frozenset(ids.tolist()), self.remark, tuple(row.words for row in found.derivations))


def read_training(
    manifests: TrainingManifests, *, wanted: bool = True, cache: Path | None = None, advance: Advance | None = None
) -> Training:
    """Read what a model learned from of its manifests, but for the images that `cache`, a folder of scans, knows.

    Those of recipes that are not here are passed over and named in the remark. Raises ManifestError where one that was
    named in their place is absent, EvaluationError where some, or a cache, were named and no audit is wanted.
    """
    if not wanted and (manifests.trained_on or cache):
        option = "--trained-on" if manifests.trained_on else "--cache"
        raise EvaluationError(f"{option} has no effect beside --no-audit: leave one of them out")
    if not wanted:
        return Training(None, NOT_ASKED)
    absent = manifests.absent
    if absent and manifests.trained_on:
        raise ManifestError(f"no manifest at {absent[0]}: give the folders of the training with --trained-on")
    parts = [Part(folder, part) for folder, part in zip(manifests.here, manifests.studies, strict=True)]
    if not sum(len(part.manifest) for part in parts):
        return Training(None, NOT_HERE)
    remark = f"not audited against {', '.join(map(str, absent))}: not here" if absent else ""
    return Training(read_side(parts, threads=os.cpu_count() or 1, cache=cache, advance=advance), remark, cache)
