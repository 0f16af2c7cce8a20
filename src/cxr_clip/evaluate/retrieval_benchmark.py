"""The retrieval benchmarks: from studies with a text to ranks, their figures and a gallery."""

from dataclasses import replace

import numpy as np

from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.contract import Benchmark, RetrievalTask, Ties
from cxr_clip.evaluate.gallery import Pool, draw_gallery
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.retrieval import published_metrics, retrieval_metrics, retrieval_text
from cxr_clip.evaluate.study_images import embed_texts
from cxr_clip.evaluate.subject import Subject
from cxr_clip.ranking import merge_identical

METRICS = {Ties.MIDDLE: retrieval_metrics, Ties.IN_ORDER: published_metrics}


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
    rng = np.random.default_rng(options.seed)
    # The gallery is that of our own rules; by the published ones it would come twice.
    queries = options.gallery if task.ties is Ties.MIDDLE else 0
    return replace(
        result,
        metrics=METRICS[task.ties](pool.image_embeddings, pool.text_embeddings, merged, subject.weights[:, chosen]),
        gallery=draw_gallery(pool, subject.material.read_image, rng, queries=queries, retrieved=options.retrieved),
    )
