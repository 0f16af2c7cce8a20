"""Every benchmark of a model on a manifest: each image is embedded once and shared between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.directions import Direction, prompt_embedding
from cxr_clip.errors import EvaluationError, PromptError
from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.gallery import Pool, draw_gallery
from cxr_clip.evaluate.results import BenchmarkResult, FindingDetails, Population
from cxr_clip.evaluate.retrieval import RECALLS, retrieval_metrics, retrieval_text
from cxr_clip.evaluate.statistics import patient_bootstrap_weights
from cxr_clip.evaluate.study_images import (
    Advance,
    Embedder,
    ReadImage,
    StudyImages,
    embed_studies,
    embed_texts,
    images_in_use,
)
from cxr_clip.evaluate.zero_shot import (
    describe_finding,
    measure_finding,
    spoken_of,
    zero_shot_metrics,
    zero_shot_notes,
)
from cxr_clip.ranking import merge_identical
from cxr_clip.study import Study


@dataclass(frozen=True)
class EvaluationOptions:
    """How to measure: `findings` names those to take (absent: all that have prompts); `batch` images are held at once.

    A finding with fewer than `min_positives` positive or negative studies is listed and not measured; `gallery` is
    how many retrieval queries the report shows, `retrieved` how many texts each.
    """

    findings: tuple[str, ...] | None = None
    resamples: int = 1000
    seed: int = 0
    min_positives: int = 5
    batch: int = 64
    gallery: int = 8
    retrieved: int = 5


@dataclass(frozen=True)
class _Embedded:
    """The studies that have an image in use, their embeddings, and resamples of them by patient."""

    studies: Sequence[Study]
    images: StudyImages
    weights: NDArray[np.uint16]
    without_image: int


def evaluate_manifest(
    embedder: Embedder,
    manifest: Sequence[Study],
    *,
    read_image: ReadImage,
    prompts: Mapping[str, Mapping[str, ZeroShotPrompt]],
    options: EvaluationOptions | None = None,
    advance: Advance | None = None,
) -> list[BenchmarkResult]:
    """Return "zero_shot/<style>" for each prompt set, then "retrieval"; one that cannot be measured says so in a note.

    `advance` is told how many of how many images are embedded. Raises EvaluationError where no study has an image in
    use and PromptError where a finding that was asked for has no prompt.
    """
    options = options or EvaluationOptions()
    chosen = {style: _choose_prompts(style, by_finding, options.findings) for style, by_finding in prompts.items()}
    studies = [study for study in manifest if images_in_use(study)]
    if not studies:
        raise EvaluationError(
            f"none of {len(manifest)} studies has a frontal image: evaluate another split, or prepare it with views"
        )
    patients, rng = [study.patient for study in studies], np.random.default_rng(options.seed)
    embedded = _Embedded(
        studies=studies,
        images=embed_studies(embedder, studies, read_image, batch=options.batch, advance=advance),
        weights=patient_bootstrap_weights(patients, options.resamples, rng),
        without_image=len(manifest) - len(studies),
    )
    results = [_zero_shot(embedder, embedded, style, by_finding, options) for style, by_finding in chosen.items()]
    return [*results, _retrieval(embedder, embedded, read_image, options)]


def _choose_prompts(
    style: str, prompts: Mapping[str, ZeroShotPrompt], findings: tuple[str, ...] | None
) -> Sequence[ZeroShotPrompt]:
    """Return the prompts of the findings that are asked for."""
    missing = [finding for finding in findings or () if finding not in prompts]
    if missing:
        raise PromptError(
            f"no zero-shot prompt in the style '{style}' for {', '.join(missing)}: it has {', '.join(sorted(prompts))}"
        )
    return tuple(prompts[finding] for finding in (prompts if findings is None else findings))


def _zero_shot(
    embedder: Embedder,
    embedded: _Embedded,
    style: str,
    prompts: Sequence[ZeroShotPrompt],
    options: EvaluationOptions,
) -> BenchmarkResult:
    """Measure every finding that has enough studies with one style of prompts."""
    name = f"zero_shot/{style}"
    described = [describe_finding(one, embedded.studies, min_positives=options.min_positives) for one in prompts]
    if options.findings is None:
        described = spoken_of(described) or described
    figures = [
        measure_finding(
            details,
            embedded.studies,
            embedded.images.mean,
            _direct(embedder, details),
            embedded.weights,
            benchmark=name,
        )
        for details in described
        if details.measured
    ]
    with_curves = {one.details.finding: one.details for one in figures}
    return BenchmarkResult(
        name=name,
        metrics=zero_shot_metrics(figures),
        protocol=protocol.zero_shot(style, options.resamples, options.seed, min_positives=options.min_positives),
        population=_population(embedded.studies, embedded.images.images),
        notes=(
            *protocol.without_image(embedded.without_image),
            *zero_shot_notes(figures, described, min_positives=options.min_positives),
        ),
        findings=tuple(with_curves.get(details.finding, details) for details in described),
        scores=tuple(one.scores for one in figures),
    )


def _direct(embedder: Embedder, details: FindingDetails) -> Direction:
    """Embed both sides of a finding's prompts."""
    return Direction(
        positive=prompt_embedding(embedder.embed_texts(details.positive_prompts)),
        negative=prompt_embedding(embedder.embed_texts(details.negative_prompts)),
    )


def _retrieval(
    embedder: Embedder, embedded: _Embedded, read_image: ReadImage, options: EvaluationOptions
) -> BenchmarkResult:
    """Measure retrieval among the studies that have a text."""
    text_of_study = {index: text for index, study in enumerate(embedded.studies) if (text := retrieval_text(study))}
    chosen, repeated = list(text_of_study), list(text_of_study.values())
    merged = merge_identical(repeated)
    texts = [repeated[index] for index in merged.first]
    studies = [embedded.studies[index] for index in chosen]
    result = BenchmarkResult(
        name="retrieval",
        metrics={},
        protocol=protocol.retrieval(options.resamples, options.seed, RECALLS),
        population=_population(studies, len(studies)),
        notes=(
            *protocol.without_image(embedded.without_image),
            *protocol.pool_notes(len(embedded.studies), len(chosen), len(texts)),
        ),
    )
    if len(texts) < 2:
        return result
    pool = Pool(
        studies=studies,
        texts=texts,
        merged=merged,
        image_embeddings=embedded.images.first[chosen],
        text_embeddings=embed_texts(embedder, texts, batch=options.batch),
    )
    rng = np.random.default_rng(options.seed)
    return replace(
        result,
        metrics=retrieval_metrics(pool.image_embeddings, pool.text_embeddings, merged, embedded.weights[:, chosen]),
        gallery=draw_gallery(pool, read_image, rng, queries=options.gallery, retrieved=options.retrieved),
    )


def _population(studies: Sequence[Study], images: int) -> Population:
    """Count studies and their patients; `images` of theirs were measured."""
    return Population(
        studies=len(studies),
        patients=len({study.patient for study in studies}),
        images=images,
    )
