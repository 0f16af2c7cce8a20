"""The retrieval benchmarks: from studies with a text to ranks, their figures and a gallery."""

from dataclasses import replace

import numpy as np

from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.contract import Benchmark, RetrievalTask, Ties
from cxr_clip.evaluate.gallery import Pool, draw_gallery
from cxr_clip.evaluate.query_ranks import QueryRanks, query_ranks
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.retrieval import metrics_of_ranks, published_metrics, retrieval_text
from cxr_clip.evaluate.study_images import embed_texts
from cxr_clip.evaluate.subject import Subject
from cxr_clip.ranking import RanksBothWays, both_ways, merge_identical


def measure_retrieval(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure retrieval among the studies that have a text."""
    task, options = benchmark.task, subject.options
    assert isinstance(task, RetrievalTask)
    text_of_study = {index: text for index, study in enumerate(subject.studies) if (text := retrieval_text(study))}
    chosen, repeated = list(text_of_study), list(text_of_study.values())
    merged = merge_identical(repeated)
    texts = [repeated[index] for index in merged.first]
    result = BenchmarkResult(
        name=benchmark.name,
        metrics={},
        protocol=protocol.retrieval(task, options.resamples, options.seed),
        population=subject.population(chosen, rule=task.images),
        notes=(
            *protocol.without_image(subject.without_image),
            *protocol.pool_notes(len(subject.studies), len(chosen), len(texts)),
        ),
        benchmark=benchmark,
    )
    if len(texts) < 2:
        return result
    pool = Pool(
        studies=[subject.studies[index] for index in chosen],
        texts=texts,
        merged=merged,
        image_embeddings=subject.embeddings(task.images)[chosen],
        text_embeddings=embed_texts(subject.embedder, texts, batch=options.batch),
    )
    weights = subject.weights[:, chosen]
    if task.ties is Ties.IN_ORDER:
        return replace(result, metrics=published_metrics(pool.image_embeddings, pool.text_embeddings, merged, weights))
    ranks = both_ways(pool.image_embeddings, pool.text_embeddings, merged.group)
    return replace(
        result,
        metrics=metrics_of_ranks(ranks, merged, weights),
        ranks=_named(benchmark.name, pool, ranks),
        # The gallery is that of our own rules; by the published ones it would come twice.
        gallery=draw_gallery(
            pool,
            subject.material.read_image,
            np.random.default_rng(options.seed),
            queries=options.gallery,
            retrieved=options.retrieved,
        ),
    )


def _named(benchmark: str, pool: Pool, ranks: RanksBothWays) -> tuple[QueryRanks, QueryRanks]:
    """The ranks of both directions with the studies of their queries."""
    with_text = [pool.studies[int(index)] for index in pool.merged.first]
    return (
        query_ranks(benchmark, "image_to_text", pool.studies, ranks.to_text, pool=len(pool.texts)),
        query_ranks(benchmark, "text_to_image", with_text, ranks.to_image, pool=len(pool.studies)),
    )
