"""At which rank the right target of a query comes: the arithmetic under every retrieval figure.

Queries and targets are unit-length embeddings and the score of a pair is its cosine. A tie is settled neither for nor
against the model: the right target stands in the middle of the targets that score the same, rounded up, so an encoder
that maps everything to one point gets the middle rank and not the first. Scores closer than `TIE` count as the same,
because one product of two rows differs by about 1e-7 with its place in a matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cxr_clip.tensors import refuse_not_finite

TIE = 1e-6
CHUNK_SCORES = 4_000_000


@dataclass(frozen=True)
class MergedTexts:
    """Texts without repeats: `first[u]` is where unique text u first stands, `group[i]` is the u of text i."""

    first: NDArray[np.int64]
    group: NDArray[np.int64]


def merge_identical(texts: Sequence[str]) -> MergedTexts:
    """Merge texts that are the same but for white space; unique texts keep the order in which they first appear."""
    number: dict[str, int] = {}
    first: list[int] = []
    group: list[int] = []
    for index, text in enumerate(texts):
        key = " ".join(text.split())
        if key not in number:
            number[key] = len(first)
            first.append(index)
        group.append(number[key])
    return MergedTexts(first=np.asarray(first, dtype=np.int64), group=np.asarray(group, dtype=np.int64))


def target_ranks(
    queries: Float[Tensor, "n dim"], targets: Float[Tensor, "m dim"], target_of_query: ArrayLike
) -> NDArray[np.int64]:
    """Return the rank, from 1, of the one right target of each query; `target_of_query` has n indices below m.

    Raises EvaluationError where an embedding is not finite.
    """
    right = np.asarray(target_of_query, dtype=np.int64)
    assert right.shape == (len(queries),), f"{len(queries)} queries but target_of_query has shape {right.shape}"
    return _ranks(queries, targets, query_labels=right, target_labels=np.arange(len(targets)))


def best_target_ranks(
    queries: Float[Tensor, "n dim"], targets: Float[Tensor, "m dim"], query_of_target: ArrayLike
) -> NDArray[np.int64]:
    """Return the rank, from 1, of the best of the right targets of each query, of which there may be several.

    `query_of_target` has m indices below n, and each query needs one target at least. Raises EvaluationError where an
    embedding is not finite.
    """
    right = np.asarray(query_of_target, dtype=np.int64)
    assert right.shape == (len(targets),), f"{len(targets)} targets but query_of_target has shape {right.shape}"
    return _ranks(queries, targets, query_labels=np.arange(len(queries)), target_labels=right)


@dataclass(frozen=True)
class RanksBothWays:
    """Ranks from 1: of each image's text among the texts, and of each text's best image among the images."""

    to_text: NDArray[np.int64]
    to_image: NDArray[np.int64]


def both_ways(images: Float[Tensor, "n dim"], texts: Float[Tensor, "m dim"], text_of_image: ArrayLike) -> RanksBothWays:
    """Return what `target_ranks` and `best_target_ranks` give for the two directions, from one pass over the scores.

    Every score is computed once and only compared and counted, in blocks of images, so that memory grows with the two
    counts and not with their product. Raises EvaluationError where an embedding is not finite.
    """
    group = np.asarray(text_of_image, dtype=np.int64)
    assert group.shape == (len(images),), f"{len(images)} images but text_of_image has shape {group.shape}"
    assert np.array_equal(np.unique(group), np.arange(len(texts))), "a text has no image"
    images, texts = _finite(images, "images").cpu(), _finite(texts, "texts").cpu()
    own = _own_scores(images, texts, group)
    best = np.full(len(texts), -np.inf, dtype=np.float32)
    np.maximum.at(best, group, own)
    texts_above, texts_through = np.zeros((2, len(images)), dtype=np.int64)
    images_above, images_through = np.zeros((2, len(texts)), dtype=np.int64)
    for block in _blocks(len(images), len(texts)):
        scores = (images[block] @ texts.T).numpy()
        texts_above[block] = _count(scores > own[block, None] + TIE, axis=1)
        texts_through[block] = _count(scores >= own[block, None] - TIE, axis=1)
        images_above += _count(scores > best + TIE, axis=0)
        images_through += _count(scores >= best - TIE, axis=0)
    right = np.bincount(group, own >= best[group] - TIE, len(texts)).astype(np.int64)
    return RanksBothWays(
        to_text=_middle(texts_above, texts_through, np.ones(len(images), dtype=np.int64)),
        to_image=_middle(images_above, images_through, right),
    )


def target_ranks_in_order(
    queries: Float[Tensor, "n dim"], targets: Float[Tensor, "m dim"], target_of_query: ArrayLike
) -> NDArray[np.int64]:
    """Return the rank, from 1, of the right target of each query where of equal scores the first target comes first.

    This is what sorting gives, and it flatters an encoder that maps everything to one point: `target_ranks` does not.
    Raises EvaluationError where an embedding is not finite.
    """
    right = np.asarray(target_of_query, dtype=np.int64)
    queries, targets = _finite(queries, "queries").cpu(), _finite(targets, "targets").cpu()
    own, order = _own_scores(queries, targets, right), np.arange(len(targets))
    ranks = np.empty(len(queries), dtype=np.int64)
    for block in _blocks(len(queries), len(targets)):
        scores, mine, place = (queries[block] @ targets.T).numpy(), own[block, None], right[block, None]
        # A product differs by about 1e-7 with its place in a matrix: what is that close is equal.
        before = (scores >= mine - TIE) & (order < place)
        ranks[block] = 1 + _count(before | (scores > mine + TIE), axis=1)
    return ranks


def recall_at(ranks: NDArray[np.int64], k: int) -> float:
    """Return the share of the queries whose right target is among the first k."""
    return float(np.mean(ranks <= k))


def _ranks(
    queries: Float[Tensor, "n dim"],
    targets: Float[Tensor, "m dim"],
    *,
    query_labels: NDArray[np.int64],
    target_labels: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Rank chunks of queries, so that memory grows with the targets alone; equal labels are right pairs."""
    assert np.isin(query_labels, target_labels).all(), "a query has no right target"
    queries, targets = _finite(queries, "queries"), _finite(targets, "targets")
    of_query = torch.as_tensor(query_labels, device=queries.device)
    of_target = torch.as_tensor(target_labels, device=queries.device)
    rows = max(1, CHUNK_SCORES // max(1, len(targets)))
    ranks = [
        _ranks_of_scores(queries[start : start + rows] @ targets.T, of_query[start : start + rows, None] == of_target)
        for start in range(0, len(queries), rows)
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *(chunk.cpu().numpy() for chunk in ranks)])


def _ranks_of_scores(scores: Float[Tensor, "n m"], right: Bool[Tensor, "n m"]) -> Tensor:
    """Rank the best right target of each row; among w wrong and r right ones that tie, it is expected after w/(r+1)."""
    best = scores.masked_fill(~right, -torch.inf).amax(dim=1, keepdim=True)
    tied = (scores - best).abs() <= TIE
    above = ((scores > best) & ~tied & ~right).sum(dim=1)
    wrong_ties, right_ties = (tied & ~right).sum(dim=1), (tied & right).sum(dim=1)
    return 1 + above + (wrong_ties + right_ties) // (right_ties + 1)


def _own_scores(
    queries: Float[Tensor, "n dim"], targets: Float[Tensor, "m dim"], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The score of each query with its right target."""
    parts = [
        (queries[block] * targets[torch.from_numpy(right[block])]).sum(dim=1) for block in _blocks(len(right), 512)
    ]
    return np.asarray(torch.cat([torch.empty(0), *parts]).numpy(), dtype=np.float32)


def _blocks(rows: int, columns: int) -> list[slice]:
    """Cut rows so that a block of rows and columns has at most CHUNK_SCORES entries."""
    height = max(1, CHUNK_SCORES // max(1, columns))
    return [slice(start, start + height) for start in range(0, rows, height)]


def _count(these: NDArray[np.bool_], *, axis: int) -> NDArray[np.int64]:
    """Count along an axis: as bytes into 32 bits, ten times faster than the sum of booleans."""
    counts: NDArray[np.int64] = np.add.reduce(these.view(np.uint8), axis=axis, dtype=np.uint32).astype(np.int64)
    return counts


def _middle(above: NDArray[np.int64], through: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int64]:
    """The expected rank of the best of the `right` ones in a tie, rounded up: those above come first."""
    tied = through - above
    return 1 + above + tied // (right + 1)


def _finite(embeddings: Float[Tensor, "count dim"], what: str) -> Float[Tensor, "count dim"]:
    """Take embeddings to float32 for ranking."""
    refuse_not_finite(embeddings, what)
    return embeddings.detach().float()
