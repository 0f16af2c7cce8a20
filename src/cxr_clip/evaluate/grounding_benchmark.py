"""The grounding benchmarks: whether the maps of a finding's prompts lie where readers drew it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cxr_clip.classify import directions_of
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.clean_part import overlap_of
from cxr_clip.evaluate.contract import Benchmark, GroundingTask
from cxr_clip.evaluate.grounding import Agreement
from cxr_clip.evaluate.grounding_maps import (
    CONTROLS,
    Asked,
    Compared,
    Drawn,
    Localiser,
    compare_maps,
    drawn_images,
    picture_of_map,
)
from cxr_clip.evaluate.proportions import resampled_share
from cxr_clip.evaluate.results import BenchmarkResult, GroundedPicture, Population
from cxr_clip.evaluate.statistics import Estimate, estimate, weighted_mean
from cxr_clip.evaluate.subject import Subject
from cxr_clip.explain import differences
from cxr_clip.study import Split


@dataclass(frozen=True)
class Figure:
    """What is averaged over comparisons; a share is the mean of hits, and has Wilson's interval at 0 and at 1."""

    value: Callable[[Compared], float]
    is_share: bool = False

    def estimate(
        self, mean: float, resampled: NDArray[np.float64], weights: NDArray[np.uint16], count: int
    ) -> Estimate:
        """Return the mean with its interval; `weights` is (resamples, comparisons) of all that are in it."""
        return resampled_share(mean, resampled, weights, count) if self.is_share else estimate(mean, resampled, count)


def measure_grounding(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure the findings that were drawn on enough test images; what is left out is said in a note.

    Raises EvaluationError for a model whose scores cannot be taken apart by place.
    """
    task, options = benchmark.task, subject.options
    assert isinstance(task, GroundingTask)
    model = getattr(subject.embedder, "encoder", None)
    if not isinstance(model, Localiser):
        raise EvaluationError(f"{benchmark.name} needs a model whose scores can be taken apart by place")
    prompts = (*task.prompts, *task.wrong)
    directions = differences(directions_of(subject.embedder.embed_texts, prompts))
    asked = Asked(tuple(one.finding for one in task.prompts), directions, (*task.thresholds, *task.candidates))
    drawn = drawn_images(subject.studies, asked.findings)
    of_test = [one for one in drawn if subject.studies[one.study].split is Split.TEST]
    to_validate = [one for one in drawn if subject.studies[one.study].split is Split.VALIDATE]
    tests = _compared(subject, model, of_test, asked)
    measured = _often_enough(tests, task)
    threshold = _best_threshold(_compared(subject, model, to_validate, asked), task, measured)
    places = sorted({one.study for one in of_test})

    def figures(kept: Sequence[int]) -> Mapping[str, Estimate]:
        among = {places[number] for number in kept}
        return _metrics([one for one in tests if one.study in among], subject, task, asked, threshold)

    studies = [subject.studies[place] for place in places]
    return BenchmarkResult(
        name=benchmark.name,
        metrics=figures(range(len(places))),
        protocol=protocol.grounding(task, options.resamples, options.seed),
        population=Population(len(studies), len({study.patient for study in studies}), images=len(of_test)),
        notes=(*protocol.without_image(subject.without_image), *_notes(task, asked, measured, threshold)),
        groundings=_pictures(subject, model, [one for one in of_test if one.findings[0] in measured], asked),
        benchmark=benchmark,
        # Of the test studies alone: to have seen those that a threshold is chosen by is no fault.
        overlap=overlap_of(studies, subject.material.seen, figures),
    )


def _compared(subject: Subject, model: Localiser, drawn: Sequence[Drawn], asked: Asked) -> list[Compared]:
    read, batch = subject.material.read_image, subject.options.batch
    return list(compare_maps(model, subject.studies, drawn, read, asked, batch=batch))


def _often_enough(compared: Sequence[Compared], task: GroundingTask) -> list[int]:
    """The findings, by number, that enough images have."""
    counts = np.bincount([one.finding for one in compared], minlength=len(task.prompts))
    return [int(finding) for finding in np.flatnonzero(counts >= task.min_images)]


def _best_threshold(compared: Sequence[Compared], task: GroundingTask, measured: Sequence[int]) -> int | None:
    """The number of the candidate with the largest mean overlap over findings; None without any image to choose by."""
    by_finding = [[one.found[0].overlaps for one in compared if one.finding == finding] for finding in measured]
    means = [np.mean(overlaps, axis=0)[len(task.thresholds) :] for overlaps in by_finding if overlaps]
    return int(np.mean(means, axis=0).argmax()) if means else None


def _metrics(
    compared: Sequence[Compared], subject: Subject, task: GroundingTask, asked: Asked, threshold: int | None
) -> dict[str, Estimate]:
    """Every figure of the findings with enough images, its macro average first; for the right text and each control."""
    measured, metrics = _often_enough(compared, task), dict[str, Estimate]()
    by_finding = {finding: [one for one in compared if one.finding == finding] for finding in measured}
    weights = {finding: subject.weights[:, [one.study for one in images]] for finding, images in by_finding.items()}
    of_all = subject.weights[:, [one.study for images in by_finding.values() for one in images]]
    for name, figure in _figures(task, threshold).items() if measured else ():
        means, resampled, of_findings = [], [], {}
        for finding, images in by_finding.items():
            numbers = np.asarray([figure.value(one) for one in images])
            drawn, mean, count = weighted_mean(numbers, weights[finding]), float(numbers.mean()), len(numbers)
            means.append(mean)
            resampled.append(drawn)
            of_findings[f"{name}/{asked.findings[finding]}"] = figure.estimate(mean, drawn, weights[finding], count)
        macro = figure.estimate(float(np.mean(means)), np.mean(resampled, axis=0), of_all, len(means))
        metrics |= {f"{name}/macro": macro, **of_findings}
    return metrics


def _figures(task: GroundingTask, threshold: int | None) -> dict[str, Figure]:
    """Each figure by name: of the right text, then of each control behind it."""
    overlaps = {f"iou_at_{100 * share:.0f}": number for number, share in enumerate(task.thresholds)}
    if threshold is not None:
        overlaps["iou_at_best"] = len(task.thresholds) + threshold
    figures = _with_controls("pointing", _pointing, is_share=True)
    for name, number in overlaps.items():
        figures |= _with_controls(name, partial(_overlap, number=number))
    return {**figures, **_with_controls("contrast", _contrast), "pointing_chance": Figure(_chance)}


def _with_controls(name: str, value: Callable[[Agreement], float], *, is_share: bool = False) -> dict[str, Figure]:
    return {
        name + end: Figure(partial(_of, value=value, number=number), is_share) for number, end in enumerate(CONTROLS)
    }


def _of(one: Compared, *, value: Callable[[Agreement], float], number: int) -> float:
    return value(one.found[number])


def _chance(one: Compared) -> float:
    return one.chance


def _pointing(one: Agreement) -> float:
    return one.pointing


def _overlap(one: Agreement, *, number: int) -> float:
    return float(one.overlaps[number])


def _contrast(one: Agreement) -> float:
    return one.contrast


def _pictures(subject: Subject, model: Localiser, drawn: Sequence[Drawn], asked: Asked) -> tuple[GroundedPicture, ...]:
    """Some images at random, good and bad."""
    rng = np.random.default_rng(subject.options.seed)
    chosen = rng.choice(len(drawn), size=min(subject.options.gallery, len(drawn)), replace=False)
    read = subject.material.read_image
    return tuple(
        picture_of_map(model, subject.studies[drawn[number].study], drawn[number], read, asked) for number in chosen
    )


def _notes(task: GroundingTask, asked: Asked, measured: Sequence[int], threshold: int | None) -> tuple[str, ...]:
    left = [name for number, name in enumerate(asked.findings) if number not in measured]
    few = f"Not measured, drawn on fewer than {task.min_images} test images: {', '.join(left)}."
    if threshold is None:
        chosen = "No threshold is chosen: no validation image has a region of a measured finding."
    else:
        chosen = f"The best threshold on validation is {task.candidates[threshold]:.2f}."
    return (*((few,) if left else ()), *((chosen,) if measured else ()))
