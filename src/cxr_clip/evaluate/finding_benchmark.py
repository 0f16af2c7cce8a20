"""The benchmarks of one finding at a time: from prompts and studies to figures and their protocol."""

import os
from concurrent.futures import ThreadPoolExecutor

from cxr_clip.directions import Direction, direction_between
from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.contract import Benchmark, FindingsTask
from cxr_clip.evaluate.decision_metrics import decision_metrics
from cxr_clip.evaluate.results import BenchmarkResult, FindingDetails
from cxr_clip.evaluate.study_images import Embedder
from cxr_clip.evaluate.subject import Subject
from cxr_clip.evaluate.zero_shot import (
    FindingFigures,
    describe_finding,
    measure_finding,
    spoken_of,
    zero_shot_metrics,
    zero_shot_notes,
)


def measure_findings(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure every finding of the task that has enough studies."""
    task, options = benchmark.task, subject.options
    assert isinstance(task, FindingsTask)
    described = [describe_finding(one, subject.studies, min_positives=task.min_positives) for one in task.prompts]
    if task.pass_over_unspoken:
        described = spoken_of(described) or described
    images = subject.embeddings(task.images)
    measured = [details for details in described if details.measured]
    directions, weights = [_direct(subject.embedder, details) for details in measured], subject.weights

    def measure_one(details: FindingDetails, direction: Direction) -> FindingFigures:
        return measure_finding(details, subject.studies, images, direction, weights, benchmark=benchmark.name)

    # Sorting and summing let go of the interpreter, so that findings are measured side by side.
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        figures = list(pool.map(measure_one, measured, directions))
    with_curves = {one.details.finding: one.details for one in figures}
    return BenchmarkResult(
        name=benchmark.name,
        metrics={
            **zero_shot_metrics(figures),
            **(decision_metrics([one.scores for one in figures], subject) if task.decisions and figures else {}),
        },
        protocol=protocol.zero_shot(task, options.resamples, options.seed),
        population=subject.population(rule=task.images),
        notes=(
            *protocol.without_image(subject.without_image),
            *zero_shot_notes(figures, described, min_positives=task.min_positives),
        ),
        findings=tuple(with_curves.get(details.finding, details) for details in described),
        scores=tuple(one.scores for one in figures),
        benchmark=benchmark,
    )


def _direct(embedder: Embedder, details: FindingDetails) -> Direction:
    """Embed both sides of a finding's prompts."""
    return direction_between(
        embedder.embed_texts(details.positive_prompts), embedder.embed_texts(details.negative_prompts)
    )
