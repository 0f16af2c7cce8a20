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

from cxr_clip.errors import EvaluationError

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


def _finite(embeddings: Float[Tensor, "count dim"], what: str) -> Float[Tensor, "count dim"]:
    """Take embeddings to float32 for ranking; a NaN compares as false everywhere and would come out as rank 1."""
    if not bool(torch.isfinite(embeddings).all()):
        raise EvaluationError(
            f"embeddings of the {what} hold values that are not finite: the model has diverged; "
            "evaluate an earlier checkpoint"
        )
    return embeddings.detach().float()
