"""Intervals: what a patient bootstrap costs, and how often nominal 95 % intervals cover a truth that is known.

python benchmarks/intervals.py       # about six minutes on one core

Cost: 1,000 resamples of 3,000 studies (1,500 patients) and 18 findings, AUROC and average precision, against
scikit-learn in a loop over a few resamples, extrapolated to all. Rounds of both take turns; times are medians.

Coverage: data sets of 150 patients with three studies each, which all have the finding or all lack it. Scores of the
classes are normal and two standard deviations apart; half of the variance within a class is the patient's. Every
interval is made twice: with patients, and as if studies were independent.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import average_precision_score, roc_auc_score

from cxr_clip.calibration import Answer
from cxr_clip.evaluate.conformal import prediction_bounds
from cxr_clip.evaluate.delong import area_difference, area_estimate, areas
from cxr_clip.evaluate.differences import two_sided_p
from cxr_clip.evaluate.platt import fit_platt
from cxr_clip.evaluate.proportions import share
from cxr_clip.evaluate.statistics import NORMAL_95, estimate, patient_bootstrap_weights
from cxr_clip.metrics import weighted_auroc, weighted_average_precision

RESULTS = Path(__file__).parent / "results" / "intervals.json"
STUDIES, FINDINGS, RESAMPLES = 3000, 18, 1000
PATIENTS, EACH, GAP = 150, 3, 2.0
PATIENT = np.arange(PATIENTS).repeat(EACH)
PREVALENCES = (0.4, 0.1)
Covered = dict[str, list[bool]]


def cost(rounds: int, loop: int) -> dict[str, Any]:
    """Seconds of both, on the clock and of the processor, and the largest difference between their figures."""
    rng = np.random.default_rng(0)
    patients = [str(index // 2) for index in range(STUDIES)]
    labels = rng.random((FINDINGS, STUDIES)) < rng.uniform(0.03, 0.4, (FINDINGS, 1))
    scores = rng.normal(size=(FINDINGS, STUDIES)) + labels
    weights = patient_bootstrap_weights(patients, RESAMPLES, np.random.default_rng(1))

    def ours() -> np.ndarray:
        drawn = patient_bootstrap_weights(patients, RESAMPLES, np.random.default_rng(1))
        pairs = zip(scores, labels, strict=True)
        return np.stack([(weighted_auroc(s, y, drawn), weighted_average_precision(s, y, drawn)) for s, y in pairs])

    def plain() -> np.ndarray:
        figures = np.empty((FINDINGS, 2, loop))
        for finding, (s, y) in enumerate(zip(scores, labels, strict=True)):
            for index, drawn in enumerate(weights[:loop]):
                rows = np.repeat(np.arange(STUDIES), drawn)
                figures[finding, :, index] = roc_auc_score(y[rows], s[rows]), average_precision_score(y[rows], s[rows])
        return figures

    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "scikit-learn": []}
    for _ in range(rounds):
        for name, run, times in (("ours", ours, 1.0), ("scikit-learn", plain, RESAMPLES / loop)):
            clock, processor = time.perf_counter(), time.process_time()
            found = run()
            spent = time.perf_counter() - clock, time.process_time() - processor
            taken[name].append((times * spent[0], times * spent[1]))
            if name == "ours":
                kept = found
    return {
        "studies": STUDIES,
        "findings": FINDINGS,
        "resamples": RESAMPLES,
        "rounds": rounds,
        "resamples_of_the_loop": loop,
        "largest_difference": float(np.abs(kept[:, :, :loop] - found).max()),
        **{
            name: {
                "seconds": round(statistics.median(clock for clock, _ in spent), 2),
                "processor_seconds": round(statistics.median(processor for _, processor in spent), 2),
            }
            for name, spent in taken.items()
        },
    }


def population_average_precision(prevalence: float) -> float:
    """The average precision of endless data: precision integrated over recall."""
    thresholds = np.linspace(-8, 8 + GAP, 200_001)
    recall, false = norm.sf(thresholds - GAP), norm.sf(thresholds)
    precision = prevalence * recall / (prevalence * recall + (1 - prevalence) * false)
    return float(np.trapezoid(precision * norm.pdf(thresholds - GAP), thresholds))


def data_sets(trials: int, labels: np.ndarray, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Scores of one data set after the other, those of a patient alike."""
    for _ in range(trials):
        yield np.sqrt(0.5) * (rng.normal(size=len(PATIENT)) + rng.normal(size=PATIENTS)[PATIENT]) + GAP * labels


def coverage(trials: int, prevalence: float, resamples: int) -> dict[str, Any]:
    """How often each interval covers its truth, with patients and as if studies were independent."""
    rng = np.random.default_rng(round(1000 * prevalence))
    labels = rng.permutation(np.arange(PATIENTS) < prevalence * PATIENTS)[PATIENT]
    truth = {
        "bootstrap, AUROC": float(norm.cdf(GAP / np.sqrt(2))),
        "bootstrap, average precision": population_average_precision(prevalence),
        "DeLong, AUROC": float(norm.cdf(GAP / np.sqrt(2))),
        "Wilson, sensitivity": 0.5,
    }
    told = {}
    for kind, names in (("by patient", PATIENT), ("by study", np.arange(len(PATIENT)))):
        patients = [str(one) for one in names]
        weights = patient_bootstrap_weights(patients, resamples, np.random.default_rng(1))
        covered: Covered = {name: [] for name in truth}
        for scores in data_sets(trials, labels, np.random.default_rng(2)):
            found = {
                "bootstrap, AUROC": estimate(0.0, weighted_auroc(scores, labels, weights), 0),
                "bootstrap, average precision": estimate(0.0, weighted_average_precision(scores, labels, weights), 0),
                "DeLong, AUROC": area_estimate(areas(scores[None], labels, patients)),
                "Wilson, sensitivity": share(scores[labels] >= GAP, names[labels]),
            }
            for name, one in found.items():
                covered[name].append(one.low <= truth[name] <= one.high)
        told[kind] = {name: round(float(np.mean(each)), 4) for name, each in covered.items()}
    return {"prevalence": prevalence, "trials": trials, "resamples": resamples, **told}


def probabilities(trials: int) -> dict[str, Any]:
    """How often the interval of a fitted probability covers the true one; studies of a patient are copies of two."""
    covered: Covered = {"by patient": [], "by study": []}
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        scores = rng.normal(0.02, 0.05, 200)
        labels = rng.random(200) < expit(30 * scores - 1)
        for kind, patients in (("by patient", np.arange(200).repeat(2)), ("by study", np.arange(400))):
            line = fit_platt(scores.repeat(2), labels.repeat(2), [str(one) for one in patients])
            place = np.array([0.06, 1.0])
            half = NORMAL_95 * np.sqrt(place @ line.covariance @ place)
            covered[kind].append(abs(line.slope * 0.06 + line.intercept - (30 * 0.06 - 1)) <= half)
    return {"trials": trials, **{kind: round(float(np.mean(each)), 4) for kind, each in covered.items()}}


def conformal(trials: int) -> dict[str, Any]:
    """How often a set of nominal 90 % keeps the true answer, of each class; 99 positives and 49 negatives to fit on."""
    rng, labels = np.random.default_rng(3), np.arange(148) < 99
    kept: Covered = {"positive": [], "negative": []}
    for _ in range(trials):
        bounds = prediction_bounds(rng.normal(size=148) + labels, labels)
        kept["positive"].append(bounds.answer(rng.normal() + 1) in (Answer.POSITIVE, Answer.UNDECIDED))
        kept["negative"].append(bounds.answer(rng.normal()) in (Answer.NEGATIVE, Answer.UNDECIDED))
    return {"trials": trials, **{kind: round(float(np.mean(each)), 4) for kind, each in kept.items()}}


def false_alarms(trials: int, resamples: int) -> dict[str, Any]:
    """How often two equally good models are called different at 0.05: paired bootstrap and DeLong, by patient."""
    rng = np.random.default_rng(4)
    labels = (rng.random(PATIENTS) < 0.4)[PATIENT]
    patients = [str(one) for one in PATIENT]
    weights = patient_bootstrap_weights(patients, resamples, np.random.default_rng(1))
    alarms: Covered = {"paired bootstrap": [], "DeLong": []}
    for shared in data_sets(trials, labels, rng):
        pair = shared + 0.7 * rng.normal(size=(2, len(shared)))
        first, second = (weighted_auroc(one, labels, weights) for one in pair)
        alarms["paired bootstrap"].append(two_sided_p(second - first) < 0.05)
        alarms["DeLong"].append(area_difference(areas(pair, labels, patients)).p < 0.05)
    return {"trials": trials, **{kind: round(float(np.mean(each)), 4) for kind, each in alarms.items()}}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--trials", type=int, default=4000)
    options.add_argument("--out", type=Path, default=RESULTS)
    asked = options.parse_args()
    parts: dict[str, Callable[[], Any]] = {
        "cost": lambda: cost(rounds=5, loop=5),
        "coverage": lambda: [coverage(asked.trials, one, resamples=1000) for one in PREVALENCES],
        "probabilities": lambda: probabilities(asked.trials),
        "conformal": lambda: conformal(5 * asked.trials),
        "false_alarms": lambda: false_alarms(asked.trials, resamples=500),
    }
    told: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores"}
    for name, measure in parts.items():
        told[name] = measure()
        print(name, json.dumps(told[name]), flush=True)
    asked.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
