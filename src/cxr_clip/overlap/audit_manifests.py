"""Manifests in, the audit out: read both sides, compare, with the embeddings of a run if one is named."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.errors import EvaluationError
from cxr_clip.overlap.audit import Audit, ByEmbedding, audit
from cxr_clip.overlap.hits import Hits
from cxr_clip.overlap.nearest import Advance
from cxr_clip.overlap.sides import Side, open_parts, read_side
from cxr_clip.study import Split

Progress = Callable[[str], AbstractContextManager[Advance | None]]


@dataclass(frozen=True)
class OverlapRequest:
    """What to compare: manifests of a training and of an evaluation, and the splits that count of each.

    `bits`: how many of 256 bits of a hash may differ in a copy; None chooses them from pairs that are no copies.
    `cache`: a folder in which what was read of images stays for the next audit; None keeps nothing.
    """

    training: tuple[Path, ...]
    evaluation: Path
    training_splits: tuple[Split, ...] = (Split.TRAIN,)
    evaluation_splits: tuple[Split, ...] = (Split.TEST,)
    bits: int | None = None
    threads: int = 1
    cache: Path | None = None


def audit_manifests(
    request: OverlapRequest,
    *,
    run: Path | None = None,
    device: str = "auto",
    progress: Progress = lambda _: nullcontext(),
) -> Audit:
    """Compare; with `run` also by the embeddings of its model. `progress` makes a display for each long step.

    Raises ManifestError where there is no manifest, EvaluationError where a side has no study, CheckpointError where
    there is no run.
    """
    training = open_parts(request.training, request.training_splits)
    evaluation = open_parts((request.evaluation,), request.evaluation_splits)
    for parts, splits in ((training, request.training_splits), (evaluation, request.evaluation_splits)):
        if not sum(len(part.manifest) for part in parts):
            folders, named = (", ".join(map(str, words)) for words in ([part.folder for part in parts], splits))
            raise EvaluationError(
                f"{folders} has no study in the split {named}: choose others with --train-split and --split"
            )
    by_embedding = None if run is None else _by_embedding(run, device, progress)
    with progress("Reading the training's images") as advance:
        one = read_side(training, threads=request.threads, cache=request.cache, advance=advance)
    with progress("Reading the evaluation's images") as advance:
        other = read_side(evaluation, threads=request.threads, cache=request.cache, advance=advance)
    with progress("Comparing images") as advance:
        return audit(one, other, by_embedding=by_embedding, bits=request.bits, advance=advance)


def _by_embedding(run: Path, device: str, progress: Progress) -> ByEmbedding:
    from cxr_clip.embed import load
    from cxr_clip.overlap.near_embeddings import near_by_embedding

    embedder = load(run, device=device)

    def compare(training: Side, evaluation: Side) -> tuple[Hits, str]:
        with progress("Embedding images") as advance:
            found = near_by_embedding(embedder, training, evaluation, advance=advance)
        return found.hits, str(found)

    return compare
