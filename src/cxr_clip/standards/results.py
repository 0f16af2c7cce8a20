"""What is to be written: the answers of a model, of which images they are, and which model gave them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cxr_clip import __version__
from cxr_clip.classify import Classification
from cxr_clip.embed import Embedder
from cxr_clip.errors import StandardsError
from cxr_clip.standards.sources import Instance, Source, numbered, read_source

SOFTWARE = "CXR-CLIP"
_NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "urn:cxr-clip:results")


@dataclass(frozen=True)
class Reported:
    """An answer, and the images that it is of."""

    answer: Classification
    sources: tuple[Source, ...]

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Those images that are DICOM files with valid numbers."""
        return tuple(one.instance for one in self.sources if one.instance is not None)


@dataclass(frozen=True)
class Results:
    """Answers of one model; `moment`, with its time zone, is when they were given. No name of a file is in here."""

    model: str
    fingerprint: str
    moment: datetime
    reported: tuple[Reported, ...]
    version: str = __version__

    def number(self, *parts: str) -> uuid.UUID:
        """A number for a part of these results: the same for the same model, images, moment and part."""
        images = (source.sha256 for one in self.reported for source in one.sources)
        return uuid.uuid5(_NAMES, "\n".join((self.fingerprint, self.moment.isoformat(), *images, *parts)))


def results_of(
    model: Embedder, answers: Sequence[Classification], images: Sequence[Sequence[Path]], *, moment: datetime
) -> Results:
    """The results of a model's answers, each with the image files that it is of.

    Raises StandardsError where a file cannot be read, and MissingPackageError for a DICOM file without pydicom.
    """
    if moment.tzinfo is None:
        raise StandardsError("the moment of the answers has no time zone: give datetime.now(UTC)")
    reported = tuple(
        Reported(_without_paths(answer, files), tuple(map(read_source, files)))
        for answer, files in zip(answers, images, strict=True)
    )
    return Results(model.recipe.name, model.fingerprint, moment, reported)


def instances_of(results: Results) -> list[Instance]:
    """The images of all answers, each once. Raises StandardsError where one is no DICOM file with valid numbers."""
    return numbered(source for one in results.reported for source in one.sources)


def _without_paths(answer: Classification, files: Sequence[Path]) -> Classification:
    """The answer without the names of its files, which may name a patient."""
    reasons = []
    for reason in answer.abstained:
        named = [f"{file}: " for file in files if reason.startswith(f"{file}: ")]
        reasons.append(reason.removeprefix(max(named, key=len)) if named else reason)
    return Classification("", answer.images, answer.findings, tuple(reasons))
