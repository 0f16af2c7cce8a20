"""The figures of a benchmark on the studies that the model was not trained on, beside those on all of them."""

from collections.abc import Callable, Mapping, Sequence

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.results import Overlap
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.evaluate.trained_on import Seen
from cxr_clip.study import Study


def overlap_of(
    studies: Sequence[Study], seen: Seen | None, measure: Callable[[list[int]], Mapping[str, Estimate]]
) -> Overlap | None:
    """Say how many of the studies were trained on and measure the others; None where nobody asked for an audit.

    `measure` is told the places of the others.
    """
    if seen is None:
        return None
    if seen.studies is None:
        return Overlap(seen.remark, None, {}, seen.known)
    clean = [place for place, study in enumerate(studies) if study.id not in seen.studies]
    total, remark = len(studies), f"; {seen.remark}" if seen.remark else ""
    overlapping = total - len(clean)
    if not overlapping:
        return Overlap(f"clean{remark}", 0, {}, seen.known)
    verdict = f"overlapping: {overlapping:,} of {total:,}{remark}"
    return Overlap(verdict, overlapping, _figures(clean, measure), seen.known)


def _figures(clean: list[int], measure: Callable[[list[int]], Mapping[str, Estimate]]) -> Mapping[str, Estimate]:
    """The figures of the clean part; none where nothing is left to measure."""
    if not clean:
        return {}
    try:
        return measure(clean)
    except EvaluationError:
        return {}
