"""Accuracy and F1 where the nearer of the two prompts decides, with intervals; the published evaluation has them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cxr_clip.evaluate.decisions import accuracy, f1
from cxr_clip.evaluate.proportions import resampled_share
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.statistics import Estimate, estimate, macro_estimate, weighted_mean
from cxr_clip.evaluate.subject import Subject

Weights = NDArray[np.uint16]


def decision_metrics(findings: Sequence[FindingScores], subject: Subject) -> Mapping[str, Estimate]:
    """Name accuracy and F1 of the findings, with their macro averages first; a score above 0 says yes."""
    place = {study.id: index for index, study in enumerate(subject.studies)}
    weights = [subject.weights[:, [place[study] for study in one.studies]] for one in findings]
    return {**_accuracy_metrics(findings, weights), **_f1_metrics(findings, weights)}


def _accuracy_metrics(findings: Sequence[FindingScores], weights: Sequence[Weights]) -> dict[str, Estimate]:
    """Accuracy is a share, so that one of 0 or 1 has Wilson's interval."""
    values = [accuracy(one.scores > 0, one.labels) for one in findings]
    resampled = [_accuracies(one, drawn) for one, drawn in zip(findings, weights, strict=True)]
    mean = float(np.mean(values)), np.mean(np.stack(resampled), axis=0)
    metrics = {"accuracy/macro": resampled_share(*mean, np.hstack(weights), len(findings))}
    for one, value, of_resamples, drawn in zip(findings, values, resampled, weights, strict=True):
        metrics[f"accuracy/{one.finding}"] = resampled_share(value, of_resamples, drawn, len(one.studies))
    return metrics


def _f1_metrics(findings: Sequence[FindingScores], weights: Sequence[Weights]) -> dict[str, Estimate]:
    values = [f1(one.scores > 0, one.labels) for one in findings]
    resampled = [_f1s(one, drawn) for one, drawn in zip(findings, weights, strict=True)]
    metrics = {"f1/macro": macro_estimate(values, resampled)}
    for one, value, of_resamples in zip(findings, values, resampled, strict=True):
        metrics[f"f1/{one.finding}"] = estimate(value, of_resamples, len(one.studies))
    return metrics


def _accuracies(one: FindingScores, weights: Weights) -> NDArray[np.float64]:
    return weighted_mean(((one.scores > 0) == one.labels).astype(np.float64), weights)


def _f1s(one: FindingScores, weights: Weights) -> NDArray[np.float64]:
    """Twice what is said and true, over what is said and what is true; 0 where neither is drawn."""
    said = one.scores > 0
    both = weighted_mean((2 * (said & one.labels)).astype(np.float64), weights)
    either = weighted_mean(said.astype(np.float64) + one.labels, weights)
    return np.divide(both, either, out=np.where(np.isnan(either), np.nan, 0.0), where=either > 0)
