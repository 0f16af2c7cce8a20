"""The benchmark of views: what all images of a study together give against its frontal, or lateral, ones alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy import ndarray
from torch import Tensor

from cxr_clip.data.stated import stated
from cxr_clip.directions import direction_between, pair_scores
from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.contract import Benchmark, ViewsTask
from cxr_clip.evaluate.differences import Difference, ResampledPair, difference_of
from cxr_clip.evaluate.multiplicity import holm
from cxr_clip.evaluate.proportions import resampled_share
from cxr_clip.evaluate.results import BenchmarkResult, Population
from cxr_clip.evaluate.retrieval import chance_of_rank, retrieval_text
from cxr_clip.evaluate.statistics import Estimate, estimate, exact, weighted_mean
from cxr_clip.evaluate.study_images import embed_texts
from cxr_clip.evaluate.subject import Subject
from cxr_clip.evaluate.views_protocol import views_notes, views_protocol
from cxr_clip.metrics import weighted_auroc
from cxr_clip.ranking import both_ways, merge_identical
from cxr_clip.study import Study, View

FRONTAL = tuple(view for view in View if view.is_frontal)
LATERAL = (View.LATERAL,)
# Which images stand for a study; the first is compared with each of the others.
CHOICES: Mapping[str, tuple[View, ...]] = {"all": FRONTAL + LATERAL, "frontal": FRONTAL, "lateral": LATERAL}
Draws = Float[ndarray, "draws"]


@dataclass(frozen=True, eq=False)
class _Both:
    """The studies that have a frontal and a lateral image, by their places, with an embedding of each choice."""

    places: Int[ndarray, "studies"]
    studies: Sequence[Study]
    images: Mapping[str, Float[Tensor, "studies dim"]]
    weights: Shaped[ndarray, "draws studies"]


@dataclass(frozen=True, eq=False)
class _Figure:
    """One figure by choice: its value, then its values over the resamples; `n` is what it was measured on.

    `chance` is what a random order gives; None where everybody knows it, as of AUROC. `weights` are those of the
    queries that a share is of; None for AUROC, which is none.
    """

    name: str
    drawn: Mapping[str, Draws]
    n: int
    chance: float | None = None
    weights: Shaped[ndarray, "draws queries"] | None = None

    def estimate(self, draws: Draws) -> Estimate:
        """The figure with one choice of images; a share of 0 or 1 has Wilson's interval."""
        if self.weights is None:
            return estimate(float(draws[0]), draws[1:], self.n)
        return resampled_share(float(draws[0]), draws[1:], self.weights, self.n)


def measure_views(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure the studies that have both views, with each choice of images."""
    task = benchmark.task
    assert isinstance(task, ViewsTask)
    both = _with_both(subject)
    enough = len(both.places) >= task.min_studies
    areas = _areas(task, subject, both) if enough else []
    compared = [*_macro(areas), *(_recalls(task, subject, both) if enough else [])]
    differences = _differences(benchmark.name, compared)
    return BenchmarkResult(
        name=benchmark.name,
        metrics=_metrics([*compared, *areas], differences),
        protocol=views_protocol(task, subject.options.resamples, subject.options.seed),
        population=Population(
            studies=len(both.studies),
            patients=len({study.patient for study in both.studies}),
            images=sum(image.view in CHOICES["all"] for study in both.studies for image in study.images),
        ),
        notes=(
            *protocol.without_image(subject.without_image),
            *views_notes(task, studies=len(subject.studies), both=len(both.studies), findings=len(areas)),
        ),
        benchmark=benchmark,
        differences=differences,
    )


def _with_both(subject: Subject) -> _Both:
    means = {name: subject.by_view.means(views) for name, views in CHOICES.items()}
    places = np.intersect1d(means["frontal"].places, means["lateral"].places)
    everyone = np.ones((1, len(places)), dtype=subject.weights.dtype)
    return _Both(
        places=places,
        studies=[subject.studies[place] for place in places],
        images={name: one.mean[np.searchsorted(one.places, places)] for name, one in means.items()},
        weights=np.vstack([everyone, subject.weights[:, places]]),
    )


def _areas(task: ViewsTask, subject: Subject, both: _Both) -> list[_Figure]:
    """AUROC of every finding with enough studies of both classes."""
    figures, embed = [], subject.embedder.embed_texts
    for prompt in task.prompts:
        counted, positive = stated(both.studies, prompt.finding)
        if min(positive.sum(), (~positive).sum()) < task.min_positives:
            continue
        direction = direction_between(embed(prompt.positive), embed(prompt.negative))
        drawn = {
            name: weighted_auroc(pair_scores(images[counted], direction), positive, both.weights[:, counted])
            for name, images in both.images.items()
        }
        figures.append(_Figure(f"auroc/{prompt.finding}", drawn, len(counted)))
    return figures


def _macro(areas: Sequence[_Figure]) -> list[_Figure]:
    if not areas:
        return []
    drawn = {name: np.mean(np.stack([one.drawn[name] for one in areas]), axis=0) for name in CHOICES}
    return [_Figure("auroc/macro", drawn, len(areas))]


def _recalls(task: ViewsTask, subject: Subject, both: _Both) -> list[_Figure]:
    """Recall both ways among these studies; none where fewer than two texts differ."""
    text_of = {place: text for place, study in enumerate(both.studies) if (text := retrieval_text(study))}
    texts, chosen = list(text_of.values()), list(text_of)
    merged = merge_identical(texts)
    if len(merged.first) < 2:
        return []
    embedded = embed_texts(subject.embedder, [texts[row] for row in merged.first], batch=subject.options.batch)
    weights = {"image_to_text": both.weights[:, chosen]}
    weights["text_to_image"] = weights["image_to_text"][:, merged.first]
    found: dict[str, dict[str, Draws]] = {"image_to_text": {}, "text_to_image": {}}
    for name, images in both.images.items():
        ranks = both_ways(images[chosen], embedded, merged.group)
        found["image_to_text"][name] = _shares(ranks.to_text <= task.recall, weights["image_to_text"])
        found["text_to_image"][name] = _shares(ranks.to_image <= task.recall, weights["text_to_image"])
    # An image has one right text, a text the images of all its studies.
    right = {"image_to_text": np.ones_like(merged.group), "text_to_image": np.bincount(merged.group)}
    pools = {"image_to_text": len(merged.first), "text_to_image": len(chosen)}
    return [
        _Figure(
            f"{way}/recall_at_{task.recall}",
            drawn,
            len(right[way]),
            _chance(right[way], pools[way], task.recall),
            weights[way],
        )
        for way, drawn in found.items()
    ]


def _chance(right: Int[ndarray, "queries"], pool: int, recall: int) -> float:
    """The recall of a random order, where `right` says how many of the pool are right for each query."""
    return float(chance_of_rank(right, pool)[min(recall, pool) - 1])


def _shares(hits: Bool[ndarray, "queries"], weights: Shaped[ndarray, "draws queries"]) -> Draws:
    return weighted_mean(hits.astype(np.float64), weights)


def _differences(benchmark: str, figures: Sequence[_Figure]) -> tuple[Difference, ...]:
    """All images minus each other choice, in the same resamples; p corrected over all of them (Holm)."""
    first, *others = CHOICES
    found = []
    for figure in figures:
        for other in others:
            one, all_of_it = figure.drawn[other], figure.drawn[first]
            pair = ResampledPair((float(one[0]), float(all_of_it[0])), one[1:], all_of_it[1:], figure.n)
            found.append(difference_of(benchmark, f"{figure.name}/{other}", pair))
    adjusted = holm([one.p for one in found])
    return tuple(replace(one, adjusted=p) for one, p in zip(found, adjusted, strict=True))


def _metrics(figures: Sequence[_Figure], differences: Sequence[Difference]) -> dict[str, Estimate]:
    """Name the figures: the gains first, then each figure by choice, with "_chance" behind where that is told."""
    metrics = {f"gain/{one.figure}": one.difference for one in differences}
    for figure in figures:
        metrics |= {f"{figure.name}/{name}": figure.estimate(one) for name, one in figure.drawn.items()}
        if figure.chance is not None:
            metrics[f"{figure.name}_chance"] = exact(figure.chance, figure.n)
    return metrics
