"""Retrieval between images and texts: how high the right one ranks, next to what chance gives.

Identical texts are one target: a report that says "normal" as ninety others do cannot be told from them. From image
to text a query has one right target; from text to image, the images of all studies with that text are right and the
best of them counts. Intervals resample the queries by patient; the pool of targets stays as it is.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cxr_clip.evaluate.proportions import resampled_share
from cxr_clip.evaluate.results import Retrieved
from cxr_clip.evaluate.statistics import Estimate, estimate, exact, weighted_mean, weighted_median
from cxr_clip.ranking import MergedTexts, RanksBothWays, both_ways, target_ranks_in_order
from cxr_clip.study import Study

RECALLS = (1, 5, 10)

Floats = NDArray[np.float64]


def retrieval_text(study: Study) -> str | None:
    """Return the longer of findings and impression, in characters; absent where the study has neither."""
    sections = [study.sections[name].strip() for name in ("findings", "impression") if name in study.sections]
    return max(sections, key=len, default="") or None


def retrieval_metrics(
    images: Float[Tensor, "studies dim"],
    texts: Float[Tensor, "unique dim"],
    merged: MergedTexts,
    weights: NDArray[np.uint16],
) -> Mapping[str, Estimate]:
    """Measure both directions, a tie taking the middle rank; `weights` is (resamples, studies).

    A merged text is drawn with the patient of the study in which it first stands.
    """
    return metrics_of_ranks(both_ways(images, texts, merged.group), merged, weights)


def metrics_of_ranks(ranks: RanksBothWays, merged: MergedTexts, weights: NDArray[np.uint16]) -> Mapping[str, Estimate]:
    """Measure both directions from their ranks."""
    images_of_text = np.bincount(merged.group)
    return {
        **_one_way(ranks.to_text, weights, pool=len(merged.first)),
        **_figures("text_to_image", ranks.to_image, weights[:, merged.first]),
        **_chance("text_to_image", images_of_text, pool=len(merged.group)),
    }


def published_metrics(
    images: Float[Tensor, "studies dim"],
    texts: Float[Tensor, "unique dim"],
    merged: MergedTexts,
    weights: NDArray[np.uint16],
) -> Mapping[str, Estimate]:
    """Measure from image to text as the published evaluation does: of equal scores the first text comes first."""
    return _one_way(target_ranks_in_order(images, texts, merged.group), weights, pool=len(texts))


def chance_of_rank(right_targets: NDArray[np.int64], pool: int) -> Floats:
    """Return the chance that the best right target is among the first 1, 2, ... `pool`, averaged over the queries.

    `right_targets` is how many of the pool are right for each query: with g of N right, the first k of a random order
    hold none of them with chance C(N-g, k) / C(N, k).
    """
    counts, queries = np.unique(right_targets, return_counts=True)
    places = np.arange(pool)
    missed = [np.cumprod(np.clip((pool - count - places) / (pool - places), 0, None)) for count in counts]
    shares: Floats = 1 - np.average(np.stack(missed), axis=0, weights=queries)
    return shares


def nearest_texts(
    image: Float[Tensor, "dim"], texts: Float[Tensor, "unique dim"], names: Sequence[str], *, right: int, count: int
) -> tuple[Retrieved, ...]:
    """Return the `count` texts nearest to an image, best first; `names` are the texts themselves."""
    similarities = texts @ image
    best = similarities.topk(min(count, len(texts)))
    return tuple(
        Retrieved(text=names[index], similarity=similarity, right=index == right)
        for similarity, index in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    )


def _one_way(ranks: NDArray[np.int64], weights: NDArray[np.uint16], *, pool: int) -> Mapping[str, Estimate]:
    """Image to text: one text is right."""
    ones = np.ones(len(ranks), dtype=np.int64)
    return {**_figures("image_to_text", ranks, weights), **_chance("image_to_text", ones, pool=pool)}


def _figures(direction: str, ranks: NDArray[np.int64], weights: NDArray[np.uint16]) -> dict[str, Estimate]:
    """Measure recall, mean and median rank of one direction with intervals."""
    values, queries = ranks.astype(np.float64), len(ranks)
    figures: dict[str, Estimate] = {}
    for k in RECALLS:
        hits = (values <= k).astype(np.float64)
        figures[f"{direction}/recall_at_{k}"] = resampled_share(
            float(hits.mean()), weighted_mean(hits, weights), weights, queries
        )
    once = np.ones((1, queries), dtype=np.uint16)
    median = float(weighted_median(values, once)[0])
    figures[f"{direction}/mean_rank"] = estimate(float(values.mean()), weighted_mean(values, weights), queries)
    figures[f"{direction}/median_rank"] = estimate(median, weighted_median(values, weights), queries)
    return figures


def _chance(direction: str, right_targets: NDArray[np.int64], *, pool: int) -> dict[str, Estimate]:
    """Name what a random order of the pool gives on average."""
    within, queries = chance_of_rank(right_targets, pool), len(right_targets)
    figures = {f"{direction}/recall_at_{k}_chance": exact(float(within[min(k, pool) - 1]), queries) for k in RECALLS}
    # The mean of a rank is the sum over k >= 0 of the chance that it is above k.
    figures[f"{direction}/mean_rank_chance"] = exact(float(1 + np.sum(1 - within)), queries)
    figures[f"{direction}/median_rank_chance"] = exact(float(1 + np.argmax(within >= 0.5 - 1e-12)), queries)
    return figures
