"""The figures of finished trials, from the scores and ranks that their evaluations kept, on shared resamples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxr_clip.errors import ExperimentError
from cxr_clip.evaluate.query_ranks import QueryRanks, read_ranks
from cxr_clip.evaluate.scores import FindingScores, read_scores
from cxr_clip.evaluate.statistics import patient_bootstrap_weights, weighted_mean
from cxr_clip.experiments.seed_intervals import SeedFigures
from cxr_clip.experiments.trials import Trial
from cxr_clip.metrics import auroc, weighted_auroc

ZERO_SHOT, RETRIEVAL = "zero_shot/standard", "retrieval"
MACRO = "auroc/macro"
IMAGE_TO_TEXT, TEXT_TO_IMAGE = "image_to_text/recall_at_10", "text_to_image/recall_at_10"
# What an experiment compares, by its name in words.
FIGURES: Mapping[str, str] = MappingProxyType(
    {
        MACRO: "Zero-shot macro AUROC",
        IMAGE_TO_TEXT: "Retrieval R@10, image → text",
        TEXT_TO_IMAGE: "Retrieval R@10, text → image",
    }
)
_WITHIN = 10


@dataclass(frozen=True, eq=False)
class Sample:
    """The patients that all trials are tested on, and how often each is in every resample: (resamples, patients)."""

    patients: tuple[str, ...]
    counts: NDArray[np.uint16]

    def weights(self, patients: Sequence[str]) -> NDArray[np.uint16]:
        """How often the studies of these patients are in every resample."""
        return self.counts[:, np.searchsorted(np.asarray(self.patients, dtype=str), np.asarray(patients, dtype=str))]


@dataclass(frozen=True, eq=False)
class Kept:
    """What the evaluation of a trial kept, and the chance of its figures, where that is known."""

    folder: Path
    scores: tuple[FindingScores, ...]
    ranks: tuple[QueryRanks, ...]
    chance: Mapping[str, float]

    @property
    def questions(self) -> tuple[object, ...]:
        """Which studies were asked for what: alike in trials that can be compared."""
        return tuple((one.finding, one.studies, one.patients) for one in self.scores), tuple(
            (one.direction, one.pool, one.studies, one.patients) for one in self.ranks
        )

    @property
    def patients(self) -> set[str]:
        """All patients that were tested."""
        named = (*(one.patients for one in self.scores), *(one.patients for one in self.ranks))
        return {patient for patients in named for patient in patients}


def read_kept(folder: Path) -> Kept:
    """Read what the evaluation in a run folder kept of the figures that are compared."""
    scores = tuple(one for one in read_scores(folder) if one.benchmark == ZERO_SHOT)
    figures = _report(folder)["benchmarks"].get(RETRIEVAL, {})
    chance = {name: figures[f"{name}_chance"]["value"] for name in FIGURES if f"{name}_chance" in figures}
    return Kept(folder, scores, read_ranks(folder), {MACRO: 0.5, **chance})


def read_trained_on(folder: Path) -> int | None:
    """How many tested studies the audit in a run folder found to share something with the training; None without one.

    The most of any benchmark that is compared.
    """
    overlap = _report(folder).get("overlap", {})
    counts = (overlap[name]["studies"] for name in (ZERO_SHOT, RETRIEVAL) if name in overlap)
    return max((count for count in counts if count is not None), default=None)


def _report(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return report


def measure_arms(
    arms: Sequence[Sequence[Trial]], *, resamples: int, seed: int = 0
) -> tuple[list[Mapping[str, SeedFigures]], Mapping[str, float]]:
    """Return the figures of each arm, whose trials come seed by seed, and the chance of each figure.

    All trials share the resamples of patients. Raises ExperimentError where they were not asked the same, where there
    is nothing to compare, or a single patient, of whom no resample differs.
    """
    kept = [[read_kept(trial.folder) for trial in trials] for trials in arms]
    first = kept[0][0]
    for one in (one for of_arm in kept for one in of_arm):
        if one.questions != first.questions:
            raise ExperimentError(
                f"{one.folder} was evaluated on other studies than {first.folder}: start the experiment in a new folder"
            )
    if not first.patients:
        raise ExperimentError(
            f"{first.folder} has neither a finding with enough studies nor retrieval: evaluate on a larger manifest"
        )
    if len(first.patients) == 1:
        raise ExperimentError(
            f"{first.folder} was evaluated on one patient, and how figures vary with patients is not to be seen: "
            "evaluate on a larger manifest"
        )
    names = tuple(sorted(first.patients))
    sample = Sample(names, patient_bootstrap_weights(names, resamples, np.random.default_rng(seed)))
    return [_of_arm([figures_of(one, sample) for one in of_arm]) for of_arm in kept], first.chance


def _of_arm(of_seeds: Sequence[Mapping[str, tuple[float, NDArray[np.float64]]]]) -> Mapping[str, SeedFigures]:
    return {
        name: SeedFigures(
            np.asarray([figures[name][0] for figures in of_seeds]), np.stack([figures[name][1] for figures in of_seeds])
        )
        for name in of_seeds[0]
    }


def figures_of(kept: Kept, sample: Sample) -> Mapping[str, tuple[float, NDArray[np.float64]]]:
    """Return each figure of one trial on all patients, and over the resamples; what was not measured is absent."""
    found: dict[str, tuple[float, NDArray[np.float64]]] = {}
    if kept.scores:
        values = [auroc(one.scores, one.labels) for one in kept.scores]
        resampled = [weighted_auroc(one.scores, one.labels, sample.weights(one.patients)) for one in kept.scores]
        found[MACRO] = float(np.mean(values)), np.mean(resampled, axis=0)
    for one in kept.ranks:
        hits = (one.ranks <= _WITHIN).astype(np.float64)
        found[f"{one.direction}/recall_at_10"] = float(hits.mean()), weighted_mean(hits, sample.weights(one.patients))
    return {name: found[name] for name in FIGURES if name in found}
