"""All findings of a study at once, at thresholds and probabilities from validation: F1, exact match, their order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cxr_clip.calibration import FindingCalibration
from cxr_clip.evaluate.multilabel import (
    Answers,
    Labels,
    Scores,
    Weights,
    coverage_error,
    coverage_error_of_chance,
    exact_match,
    macro_f1,
    micro_f1,
    ranking_precision,
    ranking_precision_of_chance,
)
from cxr_clip.evaluate.proportions import resampled_share
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.shared_resamples import SharedResamples, share_resamples
from cxr_clip.evaluate.statistics import Estimate, estimate, exact

# The rules of thresholds that answers are given by, and what their figures are called behind the name of the figure.
RULES = {"youden": "", "f1": "_at_best_f1"}
ANSWERED = {"micro_f1": micro_f1, "macro_f1": macro_f1}
RANKED = {
    "coverage_error": (coverage_error, coverage_error_of_chance),
    "ranking_precision": (ranking_precision, ranking_precision_of_chance),
}


@dataclass(frozen=True, eq=False)
class _Table:
    """Scores as fitted log odds (minus infinity where the label is missing), true labels, and which are known."""

    log_odds: Scores
    true: Labels
    known: Labels


def measure_together(
    scores: Sequence[FindingScores], calibrations: Mapping[str, FindingCalibration], *, resamples: int, seed: int
) -> Mapping[str, Estimate]:
    """Measure the answers by each rule and the order of findings; a figure that no study has is absent.

    A rule counts where every finding has a threshold by it. The order is by the fitted probability, over the studies
    with a positive finding; "_chance" is what a random order gives. Of one finding alone nothing is measured.
    """
    if len(scores) < 2:
        return {}
    shared = share_resamples(scores, resamples=resamples, seed=seed)
    table = _table(scores, calibrations, shared)
    metrics: dict[str, Estimate] = {}
    for rule, behind in RULES.items():
        if all(rule in calibrations[one.finding].thresholds for one in scores):
            said = _said(scores, calibrations, shared, rule)
            metrics |= {f"{name}{behind}": one for name, one in _answered(said, table, shared.weights).items()}
    metrics |= _ranked(table, shared.weights)
    return metrics


def _table(
    scores: Sequence[FindingScores], calibrations: Mapping[str, FindingCalibration], shared: SharedResamples
) -> _Table:
    size = (len(shared.row), len(scores))
    log_odds, (true, known) = np.full(size, -np.inf), np.zeros((2, *size), dtype=bool)
    for column, one in enumerate(scores):
        rows, fitted = shared.rows_of(one), calibrations[one.finding]
        log_odds[rows, column] = fitted.slope * one.scores + fitted.intercept
        true[rows, column], known[rows, column] = one.labels, True
    return _Table(log_odds, true, known)


def _said(
    scores: Sequence[FindingScores],
    calibrations: Mapping[str, FindingCalibration],
    shared: SharedResamples,
    rule: str,
) -> Labels:
    said = np.zeros((len(shared.row), len(scores)), dtype=bool)
    for column, one in enumerate(scores):
        said[shared.rows_of(one), column] = one.scores >= calibrations[one.finding].thresholds[rule].score
    return said


def _answered(said: Labels, table: _Table, weights: Weights) -> Mapping[str, Estimate]:
    answers = Answers(said, table.true, table.known)
    once = np.ones((1, len(said)), dtype=np.uint16)
    metrics = {
        name: estimate(float(figure(answers, once)[0]), figure(answers, weights), len(said))
        for name, figure in ANSWERED.items()
    }
    if (whole := table.known.all(axis=1)).any():
        matched = float(exact_match(answers, once)[0]), exact_match(answers, weights)
        metrics["exact_match"] = resampled_share(*matched, weights[:, whole], int(whole.sum()))
    return metrics


def _ranked(table: _Table, weights: Weights) -> Mapping[str, Estimate]:
    chosen = table.true.any(axis=1)
    if not chosen.any():
        return {}
    odds, true, known = table.log_odds[chosen], table.true[chosen], table.known[chosen]
    drawn, count = weights[:, chosen], int(chosen.sum())
    once = np.ones((1, count), dtype=np.uint16)
    metrics: dict[str, Estimate] = {}
    for name, (figure, of_chance) in RANKED.items():
        metrics[name] = estimate(float(figure(odds, true, once)[0]), figure(odds, true, drawn), count)
        metrics[f"{name}_chance"] = exact(float(of_chance(true, known, once)[0]), count)
    return metrics
