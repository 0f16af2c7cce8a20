"""The figures of a benchmark on the studies that the model was not trained on, beside those on all of them."""

from collections.abc import Callable, Mapping

from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.results import Overlap
from cxr_clip.evaluate.statistics import Estimate
from cxr_clip.evaluate.subject import Subject


def overlap_of(subject: Subject, measure: Callable[[Subject], Mapping[str, Estimate]]) -> Overlap | None:
    """Say how many of the studies were trained on and measure the others; None where nobody asked for an audit."""
    seen = subject.material.seen
    if seen is None:
        return None
    if seen.studies is None:
        return Overlap(seen.remark, None, {}, seen.known)
    clean = [place for place, study in enumerate(subject.studies) if study.id not in seen.studies]
    total, remark = len(subject.studies), f"; {seen.remark}" if seen.remark else ""
    overlapping = total - len(clean)
    if not overlapping:
        return Overlap(f"clean{remark}", 0, {}, seen.known)
    verdict = f"overlapping: {overlapping:,} of {total:,}{remark}"
    return Overlap(verdict, overlapping, _figures(subject, clean, measure), seen.known)


def _figures(
    subject: Subject, clean: list[int], measure: Callable[[Subject], Mapping[str, Estimate]]
) -> Mapping[str, Estimate]:
    """The figures of the clean part; none where nothing is left to measure."""
    if not clean:
        return {}
    try:
        return measure(subject.part(clean))
    except EvaluationError:
        return {}
