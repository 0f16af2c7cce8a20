"""The calibration that goes with an evaluation: the run's own, or one fitted on the manifest's validation split."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cxr_clip.calibration import CALIBRATION, Calibration, FindingCalibration, read_calibration
from cxr_clip.data.manifest import Manifest
from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.data.store import ImageStore
from cxr_clip.evaluate.benchmarks import EvaluationOptions
from cxr_clip.evaluate.calibrate import MIN_POSITIVES, calibrate_findings
from cxr_clip.evaluate.calibrated import CalibratedResult, measure_calibrated
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.score_findings import score_studies
from cxr_clip.evaluate.study_images import Advance, Embedder, images_in_use
from cxr_clip.evaluate.together import measure_together
from cxr_clip.study import Split

NOT_SHOWN = (
    "not shown: it needs ten positives and ten negatives in a validation split that is not the one measured here, or "
    f"a {CALIBRATION} of the prompts measured here"
)
RULES_APPLIED = (
    "Thresholds and probabilities are applied here as they were fitted there: nothing is chosen on the studies that "
    "the figures are of. The training may have chosen its weights by the same validation split.",
    "Sensitivity, specificity and shares: Wilson's 95 % interval on the effective number of studies, which counts the "
    "studies of a patient together.",
    "Probability: the logistic function of a line in the score (Platt, with smoothed targets). Expected calibration "
    "error over ten bins, of equal mass or of equal width; the plot has bins of equal mass.",
    "Prediction sets: split conformal, positives and negatives each by themselves; a set that holds both answers is "
    "an abstention.",
    "All findings together: F1 and exact match at Youden's thresholds, and at those of the best F1 on validation, with "
    "the interval of a bootstrap of patients. Macro F1 weighs findings equally; exact match takes studies with all "
    "labels.",
    "Order of findings: by the fitted probability, on studies with a positive finding, findings without a label passed "
    "over. Coverage error: how many findings must be taken, best first, to have all true ones. Label-ranking average "
    "precision: of each true finding the share of true ones among those at least as probable. Chance: a random order.",
)


class ScaledEmbedder(Embedder, Protocol):
    """A model that knows its own scale."""

    @property
    def scale(self) -> float:
        """1/temperature."""
        ...


def apply_calibration(
    results: Sequence[BenchmarkResult],
    calibrations: Mapping[str, FindingCalibration],
    *,
    origin: str,
    scale: float,
    resamples: int,
    seed: int,
) -> CalibratedResult | None:
    """Measure the benchmark whose prompts the calibration was fitted with; absent where there is none.

    `origin` says in a sentence on what the calibration was fitted.
    """
    for result in results:
        prompts = {one.finding: (one.positive_prompts, one.negative_prompts) for one in result.findings}
        mine = {
            name: one
            for name, one in calibrations.items()
            if prompts.get(name) == (one.positive_prompts, one.negative_prompts)
        }
        scores = [one for one in result.scores if one.finding in mine]
        measured = [measure_calibrated(one, mine[one.finding], scale=scale) for one in scores]
        findings = tuple(one for one in measured if one is not None)
        if findings:
            return CalibratedResult(
                benchmark=result.name,
                protocol=(origin, *RULES_APPLIED),
                findings=findings,
                together=measure_together(scores, mine, resamples=resamples, seed=seed),
            )
    return None


def calibration_of_run(run: Path, manifest: Path, split: Split) -> Calibration | None:
    """Return the run's own calibration; None where it has none, or where that was fitted on the same studies.

    Raises CheckpointError where it is stale.
    """
    calibration = read_calibration(run)
    if calibration is None or (calibration.manifest, calibration.split) == (manifest.resolve().name, split):
        return None
    return calibration


def calibrate_results(
    results: Sequence[BenchmarkResult],
    own: Calibration | None,
    embedder: ScaledEmbedder,
    manifest: Manifest,
    prompts: Mapping[str, Mapping[str, ZeroShotPrompt]],
    *,
    split: Split,
    options: EvaluationOptions,
    advance: Advance | None = None,
) -> CalibratedResult | None:
    """Measure `results` of one split with the run's own calibration, or else with one fitted on validation.

    That is fitted with the first style of `prompts`, for this report alone. Absent where the split is validation
    itself, or has too few studies.
    """
    if own is not None:
        origin = f"Fitted on the split '{own.split.value}' of {own.manifest} ({CALIBRATION} of the run)."
        findings = own.findings
    elif split is Split.VALIDATE or not prompts:
        return None
    else:
        style = next(iter(prompts))
        origin = f"Fitted on the validation split of this manifest, '{style}' prompts, for this report alone."
        findings = _fit_on_validation(
            embedder, manifest, prompts[style], style=style, batch=options.batch, advance=advance
        )
    return apply_calibration(
        results, findings, origin=origin, scale=embedder.scale, resamples=options.resamples, seed=options.seed
    )


def _fit_on_validation(
    embedder: Embedder,
    manifest: Manifest,
    prompts: Mapping[str, ZeroShotPrompt],
    *,
    style: str,
    batch: int,
    advance: Advance | None,
) -> Mapping[str, FindingCalibration]:
    """Fit every finding on the manifest's validation split; none where that has too few studies."""
    studies = [study for study in manifest.where(split=Split.VALIDATE) if images_in_use(study)]
    if not studies:
        return {}
    scores = score_studies(
        embedder,
        studies,
        prompts,
        read_image=ImageStore(manifest.root).read,
        benchmark=f"zero_shot/{style}",
        batch=batch,
        advance=advance,
    )
    return calibrate_findings(scores, prompts, style=style, min_positives=MIN_POSITIVES)
