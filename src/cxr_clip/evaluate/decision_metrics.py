"""Accuracy and F1 where the nearer of the two prompts decides, with intervals; the published evaluation has them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate.decisions import accuracy, f1
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.statistics import Estimate, estimate, macro_estimate, weighted_mean
from cxr_clip.evaluate.subject import Subject


def decision_metrics(findings: Sequence[FindingScores], subject: Subject) -> Mapping[str, Estimate]:
    """Name accuracy and F1 of the findings, with their macro averages first; a score above 0 says yes."""
    place = {study.id: index for index, study in enumerate(subject.studies)}
    metrics: dict[str, Estimate] = {}
    for kind, value_of, resampled_of in (("accuracy", accuracy, _accuracies), ("f1", f1, _f1s)):
        values = [value_of(one.scores > 0, one.labels) for one in findings]
        resampled = [resampled_of(one, subject.weights[:, [place[study] for study in one.studies]]) for one in findings]
        metrics[f"{kind}/macro"] = macro_estimate(values, resampled)
        for one, value, of_resamples in zip(findings, values, resampled, strict=True):
            metrics[f"{kind}/{one.finding}"] = estimate(value, of_resamples, len(one.studies))
    return metrics


def _accuracies(one: FindingScores, weights: NDArray[np.uint16]) -> NDArray[np.float64]:
    return weighted_mean(((one.scores > 0) == one.labels).astype(np.float64), weights)


def _f1s(one: FindingScores, weights: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Twice what is said and true, over what is said and what is true; 0 where neither is drawn."""
    said = one.scores > 0
    both = weighted_mean((2 * (said & one.labels)).astype(np.float64), weights)
    either = weighted_mean(said.astype(np.float64) + one.labels, weights)
    return np.divide(both, either, out=np.where(np.isnan(either), np.nan, 0.0), where=either > 0)
