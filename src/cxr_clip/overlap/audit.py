"""The audit: everything that a training and an evaluation have in common, kind by kind, and what remains clean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxr_clip.overlap.derivations import Derivation, known_derivations
from cxr_clip.overlap.hits import Hits, equal_keys
from cxr_clip.overlap.near_hashes import NEAR_BITS, bits_apart, choose_bits, compare_hashes
from cxr_clip.overlap.nearest import Advance, Nearest
from cxr_clip.overlap.pixels import with_equal_pixels
from cxr_clip.overlap.reports import CommonText, equal_reports, with_texts
from cxr_clip.overlap.sides import Side


class Kind(StrEnum):
    """What is in both; the images by the strongest that holds: equal files or pixels, near hashes or embeddings."""

    PATIENT = "patient"
    EQUAL_IMAGE = "equal image"
    SAME_PIXELS = "same pixels"
    NEAR_IMAGE = "near image"
    NEAR_EMBEDDING = "near embedding"
    EQUAL_REPORT = "equal report"
    COMMON_REPORT = "common report"

    @property
    def is_image(self) -> bool:
        """Whether the hits are images, not studies."""
        return self in (Kind.EQUAL_IMAGE, Kind.SAME_PIXELS, Kind.NEAR_IMAGE, Kind.NEAR_EMBEDDING)

    @property
    def is_leak(self) -> bool:
        """Whether a study that has it is no longer clean; a common report is written anew each time."""
        return self is not Kind.COMMON_REPORT


@dataclass(frozen=True)
class Audit:
    """The outcome. `hits` number studies or images (`Kind.is_image`); `clean` says it of each evaluated study.

    `hash_distances` are those of the nearest training picture of each usable evaluated one; `thresholds` are those of
    hashes and embeddings, in words, `notes` what could not be compared.
    """

    training: Side
    evaluation: Side
    hits: dict[Kind, Hits]
    clean: NDArray[np.bool_]
    derivations: tuple[Derivation, ...]
    common_texts: tuple[CommonText, ...]
    hash_distances: NDArray[np.float64]
    near_bits: int
    thresholds: tuple[str, ...]
    notes: tuple[str, ...]

    def studies(self, kind: Kind) -> NDArray[np.int64]:
        """The evaluated studies that have something of a kind in common, by row."""
        found = self.hits[kind].evaluation
        return np.unique(self.evaluation.scan.rows[found]) if kind.is_image else found

    @property
    def overlapping(self) -> int:
        """How many evaluated studies are not clean."""
        return int((~self.clean).sum())

    @property
    def verdict(self) -> str:
        """Clean, or how many of how many studies overlap."""
        total = len(self.clean)
        return f"overlapping: {self.overlapping:,} of {total:,} studies" if self.overlapping else "clean"


ByEmbedding = Callable[[Side, Side], tuple[Hits, str]]


def audit(
    training: Side,
    evaluation: Side,
    *,
    by_embedding: ByEmbedding | None = None,
    bits: int | None = None,
    advance: Advance | None = None,
) -> Audit:
    """Compare two sides; `by_embedding` gives the hits by a model's embeddings and the threshold in words.

    `advance` hears how many of how many training images are compared by hash.
    """
    equal = equal_keys(*(np.where(side.usable, side.scan.digests, 0) for side in (training, evaluation)))
    limit, why = _bits(training, evaluation) if bits is None else (bits, f"At most {bits} bits, as was asked for.")
    nearest = _nearest_hashes(training, evaluation, bits=limit, advance=advance)
    # Files of one picture are decoded at reduced scale in two ways, so that their hashes need not be quite equal.
    same = with_equal_pixels(_hits(nearest, evaluation, bits=NEAR_BITS).without(equal), training, evaluation)
    near = _hits(nearest, evaluation, bits=limit).without(equal).without(same)
    reports = equal_reports(
        training.reports, evaluation.reports, patients=training.patients, others=evaluation.patients
    )
    hits = {
        Kind.PATIENT: equal_keys(training.patients, evaluation.patients),
        Kind.EQUAL_IMAGE: equal,
        Kind.SAME_PIXELS: same,
        Kind.NEAR_IMAGE: near,
        Kind.EQUAL_REPORT: reports.rare,
        Kind.COMMON_REPORT: reports.common,
    }
    thresholds = [why]
    if by_embedding is not None:
        found, words = by_embedding(training, evaluation)
        thresholds.append(words)
        hits[Kind.NEAR_EMBEDDING] = found.without(equal).without(same).without(near)
    return Audit(
        training=training,
        evaluation=evaluation,
        hits={kind: hits[kind] for kind in Kind if kind in hits},
        clean=_clean(hits, evaluation),
        derivations=known_derivations(training.sources, evaluation.sources),
        common_texts=with_texts(reports, evaluation.tables) if reports.examples else (),
        hash_distances=nearest.distances,
        near_bits=limit,
        thresholds=tuple(thresholds),
        notes=(*_unread("training", training), *_unread("evaluation", evaluation), *_salts(training, evaluation)),
    )


def _bits(training: Side, evaluation: Side) -> tuple[int, str]:
    """Choose how many bits may differ, from pairs of different patients within each side."""
    apart = [
        bits_apart(side.scan.hashes[side.sample], side.patients_of_images[side.sample])
        for side in (training, evaluation)
    ]
    return choose_bits(np.concatenate(apart), comparisons=int(training.usable.sum()) * int(evaluation.usable.sum()))


def _nearest_hashes(training: Side, evaluation: Side, *, bits: int, advance: Advance | None) -> Nearest:
    theirs = np.flatnonzero(training.usable)
    ours = evaluation.scan.hashes[evaluation.usable]
    nearest = Nearest(len(ours), limit=bits)
    compare_hashes(nearest, ours, training.scan.hashes[theirs], theirs, advance=advance)
    return nearest


def _hits(nearest: Nearest, evaluation: Side, *, bits: int) -> Hits:
    """Those within so many bits, by the numbers of all evaluated images."""
    found = nearest.hits(bits)
    return Hits(np.flatnonzero(evaluation.usable)[found.evaluation], found.training, found.distance, found.matches)


def _clean(hits: dict[Kind, Hits], evaluation: Side) -> NDArray[np.bool_]:
    clean = np.ones(evaluation.studies, dtype=np.bool_)
    for kind, found in hits.items():
        if kind.is_leak:
            clean[evaluation.scan.rows[found.evaluation] if kind.is_image else found.evaluation] = False
    return clean


def _unread(words: str, side: Side) -> Sequence[str]:
    """Say how many images were not compared."""
    count = int((~side.usable).sum())
    return (
        (f"{count:,} of {len(side.usable):,} images of the {words} are unreadable or blank: not compared.",)
        if count
        else ()
    )


def _salts(training: Side, evaluation: Side) -> Sequence[str]:
    """Say where names of patients cannot be compared."""
    if training.salts == evaluation.salts and len(training.salts) == 1:
        return ()
    return (
        "Ids are hashed with different salts, or on one side only: patients are compared where the salt is the same.",
    )


@dataclass(frozen=True)
class Match:
    """One hit by name; `distance` in bits of 256 for hashes, 1 - cosine for embeddings, else 0."""

    kind: str
    evaluation_study: str
    evaluation_image: int | None
    training_manifest: str
    training_study: str
    training_image: int | None
    distance: float
    matches: int


def name_matches(found: Audit, kind: Kind) -> list[Match]:
    """The hits of a kind by the names of their studies; images are numbered from 0 in their study."""
    hits = found.hits[kind]
    rows = zip(*(part.tolist() for part in (hits.evaluation, hits.training, hits.distance, hits.matches)), strict=True)
    return [_match(found, kind, ours, theirs, distance, matches) for ours, theirs, distance, matches in rows]


def _match(found: Audit, kind: Kind, ours: int, theirs: int, distance: float, matches: int) -> Match:
    ours, our_image = found.evaluation.place(ours) if kind.is_image else (ours, None)
    theirs, their_image = found.training.place(theirs) if kind.is_image else (theirs, None)
    folder: Path = found.training.study(theirs)[0].folder
    return Match(
        kind=kind.value,
        evaluation_study=found.evaluation.name(ours),
        evaluation_image=our_image,
        training_manifest=str(folder),
        training_study=found.training.name(theirs),
        training_image=their_image,
        distance=distance,
        matches=matches,
    )
