"""How far AUROC depends on the words of a prompt: each wording alone, their spread, and all of them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.data.stated import stated
from cxr_clip.directions import direction_between, pair_scores
from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.contract import Benchmark, FindingWordings, WordingTask
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.scores import FindingScores, finding_scores
from cxr_clip.evaluate.statistics import Estimate, estimate
from cxr_clip.evaluate.subject import Subject
from cxr_clip.evaluate.zero_shot import describe_finding, listed_of, zero_shot_notes
from cxr_clip.metrics import auroc, weighted_auroc

MACRO = "macro"


@dataclass(frozen=True, eq=False)
class WordingAreas:
    """AUROC by wording and that of all together: entry 0 on all studies, the others over the resamples.

    `n` is the number of studies, or of findings for the macro average.
    """

    names: tuple[str, ...]
    alone: Float[ndarray, "wordings draws"]
    together: Float[ndarray, "draws"]
    n: int


def measure_wording(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure every finding that has enough studies with each of its wordings, and with all of them."""
    task, options = benchmark.task, subject.options
    assert isinstance(task, WordingTask)
    details = [
        describe_finding(_prompt(one), subject.studies, min_positives=task.min_positives) for one in task.findings
    ]
    found = [
        _measure(benchmark, one, subject) for one, counts in zip(task.findings, details, strict=True) if counts.measured
    ]
    listed = listed_of(benchmark, details)
    areas = {scores.finding: one for one, scores in found}
    return BenchmarkResult(
        name=benchmark.name,
        metrics=wording_metrics({MACRO: macro_of(list(areas.values())), **areas}) if areas else {},
        protocol=protocol.wording(task, options.resamples, options.seed),
        population=subject.population(rule=task.images),
        notes=(
            *protocol.without_image(subject.without_image),
            *zero_shot_notes([], listed, min_positives=task.min_positives),
        ),
        findings=tuple(listed),
        scores=tuple(scores for _, scores in found),
        benchmark=benchmark,
    )


def wording_metrics(areas: Mapping[str, WordingAreas]) -> dict[str, Estimate]:
    """Name the figures: AUROC of each wording, its spread over them, and the gain of all together."""
    metrics: dict[str, Estimate] = {}
    for finding, one in areas.items():
        median = np.median(one.alone, axis=0)
        several = len(one.names) > 1
        draws = {
            **{f"auroc/{name}/{finding}": row for name, row in zip(one.names, one.alone, strict=True)},
            f"lowest/{finding}": one.alone.min(axis=0),
            f"highest/{finding}": one.alone.max(axis=0),
            **({f"deviation/{finding}": one.alone.std(axis=0, ddof=1)} if several else {}),
            f"median/{finding}": median,
            f"together/{finding}": one.together,
            f"gain/{finding}": one.together - median,
        }
        metrics |= {name: estimate(float(row[0]), row[1:], one.n) for name, row in draws.items()}
    return metrics


def macro_of(areas: Sequence[WordingAreas]) -> WordingAreas:
    """The mean over findings of each wording that all of them have."""
    names = tuple(name for name in areas[0].names if all(name in one.names for one in areas))
    rows = [np.stack([one.alone[one.names.index(name)] for name in names]) for one in areas]
    together = np.mean(np.stack([one.together for one in areas]), axis=0)
    return WordingAreas(names, np.mean(np.stack(rows), axis=0), together, len(areas))


def _measure(benchmark: Benchmark, one: FindingWordings, subject: Subject) -> tuple[WordingAreas, FindingScores]:
    """The areas of one finding, and the scores of its studies by all wordings together."""
    task = benchmark.task
    assert isinstance(task, WordingTask)
    prompt = _prompt(one)
    positive, negative = (subject.embedder.embed_texts(texts) for texts in (prompt.positive, prompt.negative))
    sides = [*((positive[[row]], negative[[row]]) for row in range(len(one.wordings))), (positive, negative)]
    counted, labels = stated(subject.studies, one.finding)
    images, weights = subject.embeddings(task.images), subject.weights[:, counted]
    scores = [pair_scores(images, direction_between(*pair))[counted] for pair in sides]
    draws = [np.concatenate([[auroc(each, labels)], weighted_auroc(each, labels, weights)]) for each in scores]
    names, studies = tuple(wording.name for wording in one.wordings), [subject.studies[place] for place in counted]
    return (
        WordingAreas(names, np.stack(draws[:-1]), draws[-1], len(counted)),
        finding_scores(benchmark.name, one.finding, studies, labels, scores[-1]),
    )


def _prompt(one: FindingWordings) -> ZeroShotPrompt:
    """All sentences of a finding."""
    return ZeroShotPrompt(
        one.finding,
        tuple(wording.positive for wording in one.wordings),
        tuple(wording.negative for wording in one.wordings),
    )
