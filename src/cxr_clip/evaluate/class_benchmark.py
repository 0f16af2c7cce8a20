"""The benchmarks of one class of several: which of the sets of prompts an image is nearest to."""

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.contract import Benchmark, ClassesTask, SetScore
from cxr_clip.evaluate.prompt_sets import best_similarities, class_accuracy, mean_similarities
from cxr_clip.evaluate.proportions import resampled_share
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.statistics import Estimate, exact, weighted_mean
from cxr_clip.evaluate.study_images import embed_texts
from cxr_clip.evaluate.subject import Subject
from cxr_clip.study import Certainty, Study

SIMILARITIES = {SetScore.MEAN: mean_similarities, SetScore.BEST: best_similarities}


def measure_classes(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure how often the class whose prompts score highest is the one that a study shows."""
    task = benchmark.task
    assert isinstance(task, ClassesTask)
    names = [one.finding for one in task.sets]
    shown = {index: names.index(name) for index, study in enumerate(subject.studies) if (name := _only(study, names))}
    chosen, classes = list(shown), np.asarray(list(shown.values()), dtype=np.int64)
    empty = [name for number, name in enumerate(names) if number not in set(shown.values())]
    notes = [*protocol.without_image(subject.without_image), *protocol.class_notes(len(subject.studies), len(chosen))]
    if empty:
        notes.append(f"Not measured: no study shows {', '.join(empty)} alone.")
    metrics = {} if empty else _metrics(task, subject, chosen, classes)
    return BenchmarkResult(
        name=benchmark.name,
        metrics=metrics,
        protocol=protocol.classes(task, subject.options.resamples, subject.options.seed),
        population=subject.population(chosen, rule=task.images),
        notes=tuple(notes),
        benchmark=benchmark,
    )


def _only(study: Study, names: list[str]) -> str | None:
    """The one of the classes that is positive; None where none or several are."""
    positive = [name for name in names if study.findings.get(name) is Certainty.POSITIVE]
    return positive[0] if len(positive) == 1 else None


def _metrics(task: ClassesTask, subject: Subject, chosen: list[int], classes: NDArray[np.int64]) -> dict[str, Estimate]:
    """Accuracy of all, of the mean over classes and of each class, with what chance gives."""
    sets = [embed_texts(subject.embedder, one.prompts, batch=subject.options.batch) for one in task.sets]
    scores = SIMILARITIES[task.score](subject.embeddings(task.images)[chosen], sets)
    found, weights = class_accuracy(scores, classes), subject.weights[:, chosen]
    right = (scores.argmax(axis=1) == classes).astype(np.float64)
    of_class = [weighted_mean(right[classes == one], weights[:, classes == one]) for one in range(len(task.sets))]
    count = len(classes)
    return {
        "accuracy/macro": resampled_share(found.macro, np.mean(np.stack(of_class), axis=0), weights, count),
        "accuracy/micro": resampled_share(found.micro, weighted_mean(right, weights), weights, count),
        "accuracy/chance": exact(1 / len(task.sets), count),
        **{
            f"accuracy/{one.finding}": resampled_share(
                found.by_class[number], values, weights[:, classes == number], int((classes == number).sum())
            )
            for number, (one, values) in enumerate(zip(task.sets, of_class, strict=True))
        },
    }
