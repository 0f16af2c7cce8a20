"""What a run's scores mean: probabilities, thresholds and prediction sets, as `cxr-clip calibrate` fitted them.

A score is the cosine with the positive prompts minus that with the negative ones (`directions.pair_scores`). All of it
holds for the weights, the prompts and a population like the one it was fitted on: where the finding is rarer than
there, its probability is lower.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError

from cxr_clip.checkpoint import WEIGHTS
from cxr_clip.errors import CheckpointError
from cxr_clip.study import Split
from cxr_clip.whole_files import write_whole

CALIBRATION = "calibration.json"
NORMAL_95 = 1.959963984540054


class Probability(NamedTuple):
    """A probability and its 95 % interval, which says how well the calibration is known, not how sure the model is."""

    value: float
    low: float
    high: float


class Stated(NamedTuple):
    """How many studies are positive, and how many negative, of a finding."""

    positives: int
    negatives: int


class Answer(StrEnum):
    """A prediction set of a finding in a word: one answer, both (the model abstains), or none (unlike either class).

    POSITIVE says that few negative studies have such a score, not that the finding is likely: where it is rare, most
    studies of the set can be negative all the same. The probability says how likely it is.
    """

    POSITIVE = "positive"
    NEGATIVE = "negative"
    UNDECIDED = "undecided"
    UNLIKE_EITHER = "unlike either"


@dataclass(frozen=True)
class Threshold:
    """Scores from `score` on count as positive; sensitivity and specificity are those where it was chosen."""

    score: float
    sensitivity: float
    specificity: float


@dataclass(frozen=True)
class PredictionBounds:
    """Split-conformal bounds: "positive" is in the set from one score on, "negative" up to another.

    Each class keeps its answer in at least `level` of cases. Absent where the class had too few studies for the
    level: then its answer is always in the set.
    """

    level: float
    positive_from: float | None
    negative_to: float | None

    def answer(self, score: float) -> Answer:
        """Return what the set says."""
        positive = self.positive_from is None or score >= self.positive_from
        negative = self.negative_to is None or score <= self.negative_to
        if positive and negative:
            return Answer.UNDECIDED
        if positive:
            return Answer.POSITIVE
        return Answer.NEGATIVE if negative else Answer.UNLIKE_EITHER


@dataclass(frozen=True)
class FindingCalibration:
    """One finding: log odds = slope x score + intercept, with the covariance of both, by patient.

    `temperature` is that of the fit without an intercept, log odds = score / temperature. `thresholds` are named
    "youden", "f1", "specificity_90", "specificity_95", "sensitivity_90" and "sensitivity_95".
    """

    finding: str
    style: str
    positive_prompts: tuple[str, ...]
    negative_prompts: tuple[str, ...]
    slope: float
    intercept: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    temperature: float
    n: int
    positives: int
    patients: int
    thresholds: Mapping[str, Threshold]
    prediction: PredictionBounds

    def probability(self, score: float) -> Probability:
        """Return the probability that a study with this score has the finding."""
        log_odds = self.slope * score + self.intercept
        (slopes, both), (_, intercepts) = self.covariance
        half = NORMAL_95 * math.sqrt(max(0.0, score * score * slopes + 2 * score * both + intercepts))
        return Probability(_logistic(log_odds), _logistic(log_odds - half), _logistic(log_odds + half))


@dataclass(frozen=True)
class Calibration:
    """The calibrated findings of a run, by name; `weights` is the SHA-256 of the weights file they belong to.

    It was fitted on the studies of `split` in a manifest folder of the name `manifest`. `left_out` are the findings of
    the prompts that had too few studies of a class, with what they had.
    """

    weights: str
    manifest: str
    split: Split
    findings: Mapping[str, FindingCalibration]
    left_out: Mapping[str, Stated] = field(default_factory=dict)

    def probability(self, finding: str, score: float) -> Probability:
        """Return (probability, low, high) of a finding. Raises CheckpointError where it was not calibrated."""
        return self.of(finding).probability(score)

    def of(self, finding: str) -> FindingCalibration:
        """Return the calibration of a finding. Raises CheckpointError where there is none."""
        if finding not in self.findings:
            raise CheckpointError(
                f"{finding} is not calibrated: {', '.join(sorted(self.findings)) or 'no finding'} is; `cxr-clip "
                "calibrate` takes every finding with enough positive and negative studies"
            )
        return self.findings[finding]


def read_calibration(folder: Path) -> Calibration | None:
    """Read the calibration of a run folder; None where it has none.

    Raises CheckpointError where it belongs to other weights than those of the folder, or cannot be read.
    """
    path = folder / CALIBRATION
    if not path.is_file():
        return None
    try:
        calibration = TypeAdapter(Calibration).validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        what = str(error).splitlines()[0]
        raise CheckpointError(f"{path} is no calibration ({what}): run `cxr-clip calibrate` again") from error
    if calibration.weights != hash_weights(folder):
        raise CheckpointError(
            f"{path} was fitted for other weights than {WEIGHTS} holds now: run `cxr-clip calibrate` again, or remove "
            f"{path.name}"
        )
    return calibration


def write_calibration(folder: Path, calibration: Calibration) -> Path:
    """Write the calibration of a run folder, under another name first."""
    text = json.dumps(asdict(calibration), indent=2, ensure_ascii=False, allow_nan=False)
    return write_whole(folder / CALIBRATION, text + "\n")


def hash_weights(folder: Path) -> str:
    """Return the SHA-256 of a run's weights file. Raises CheckpointError where there is none."""
    path = folder / WEIGHTS
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error}): a calibration belongs to its weights") from error


def _logistic(log_odds: float) -> float:
    """Return 1 / (1 + exp(-x)) without overflow."""
    return 0.5 * (1 + math.tanh(log_odds / 2))
