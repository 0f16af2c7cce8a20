"""Everything that is fitted on validation scores, for each finding: probabilities, thresholds, prediction sets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_clip.calibration import Calibration, FindingCalibration, Stated, hash_weights, write_calibration
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.prompts import ZeroShotPrompt, load_zero_shot_prompts
from cxr_clip.data.stated import stated
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import load
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.conformal import prediction_bounds
from cxr_clip.evaluate.operating_points import choose_thresholds
from cxr_clip.evaluate.platt import fit_platt, fit_temperature
from cxr_clip.evaluate.score_findings import score_studies, usable_studies
from cxr_clip.evaluate.scores import FindingScores
from cxr_clip.evaluate.study_images import Advance
from cxr_clip.study import Split, Study

MIN_POSITIVES = 10


@dataclass(frozen=True)
class CalibrationRequest:
    """What to calibrate on: a split of a manifest, with one style of prompts, of ours or of the file `prompts`.

    A finding with fewer than `min_positives` positive or negative studies is left out. The test split is refused:
    figures on it would look better than they are.
    """

    manifest: Path
    split: Split = Split.VALIDATE
    style: str = "standard"
    prompts: Path | None = None
    min_positives: int = MIN_POSITIVES


def calibrate_run(
    run: Path, request: CalibrationRequest, *, device: str = "auto", advance: Advance | None = None
) -> Calibration:
    """Fit the calibration of a run's best weights, write it into the run folder as calibration.json and return it.

    Raises CheckpointError, ManifestError, PromptError or EvaluationError, each with its mend.
    """
    if request.split is Split.TEST:
        raise EvaluationError(
            "a calibration is not fitted on the test split, whose figures would then look better than they are: give "
            "--split validate"
        )
    embedder, manifest = load(run, device=device), read_manifest(request.manifest)
    studies = manifest.where(split=request.split)
    if not len(studies):
        raise EvaluationError(f"{request.manifest} has no study in the split {request.split.value!r}: choose another")
    prompts = load_zero_shot_prompts(request.style, request.prompts)
    left_out = _left_out(_count_stated(studies, prompts), request)
    scores = score_studies(
        embedder,
        studies,
        prompts,
        read_image=ImageStore(manifest.root).read,
        benchmark=f"zero_shot/{request.style}",
        advance=advance,
    )
    findings = calibrate_findings(scores, prompts, style=request.style, min_positives=request.min_positives)
    name = request.manifest.resolve().name
    calibration = Calibration(
        hash_weights(run), manifest=name, split=request.split, findings=findings, left_out=left_out
    )
    write_calibration(run, calibration)
    return calibration


def _count_stated(studies: Iterable[Study], prompts: Mapping[str, ZeroShotPrompt]) -> Mapping[str, Stated]:
    """How many studies with an image in use are positive, and negative, of each finding of the prompts.

    Raises EvaluationError where no study has such an image.
    """
    usable = usable_studies(studies)
    labels = {prompt.finding: stated(usable, prompt.finding)[1] for prompt in prompts.values()}
    return {finding: Stated(int(one.sum()), int((~one).sum())) for finding, one in labels.items()}


def _left_out(counts: Mapping[str, Stated], request: CalibrationRequest) -> Mapping[str, Stated]:
    """The findings with too few studies. Raises EvaluationError where that is all of them, before anything is made."""
    left_out = {finding: one for finding, one in counts.items() if min(one) < request.min_positives}
    if len(left_out) < len(counts):
        return left_out
    where = f"the split {request.split.value!r} of {request.manifest}"
    if not any(map(any, counts.values())):
        raise EvaluationError(
            f"nothing can be calibrated: no study in {where} is positive or negative of a finding of the prompts "
            f"({', '.join(counts)}): take another split or a manifest with labels"
        )
    nearest = max(counts, key=lambda finding: (min(counts[finding]), max(counts[finding])))
    least, some = min(counts[nearest]), counts[nearest]
    mend = f", or --min-positives {least} for less certain figures" if least else ""
    raise EvaluationError(
        f"nothing can be calibrated: no finding has {request.min_positives} positive and {request.min_positives} "
        f"negative studies in {where}; {nearest} comes nearest with {some.positives} and {some.negatives}: take a "
        f"larger split or manifest{mend}"
    )


def calibrate_findings(
    scores: Sequence[FindingScores], prompts: Mapping[str, ZeroShotPrompt], *, style: str, min_positives: int
) -> Mapping[str, FindingCalibration]:
    """Fit every finding with enough studies of both classes, by name."""
    counts = {one.finding: int(one.labels.sum()) for one in scores}
    enough = [one for one in scores if min(count := counts[one.finding], len(one.labels) - count) >= min_positives]
    return {one.finding: _calibrate(one, prompts[one.finding], style) for one in enough}


def _calibrate(scores: FindingScores, prompt: ZeroShotPrompt, style: str) -> FindingCalibration:
    line = fit_platt(scores.scores, scores.labels, scores.patients)
    (slopes, both), (_, intercepts) = line.covariance.tolist()
    return FindingCalibration(
        finding=scores.finding,
        style=style,
        positive_prompts=tuple(prompt.positive),
        negative_prompts=tuple(prompt.negative),
        slope=line.slope,
        intercept=line.intercept,
        covariance=((slopes, both), (both, intercepts)),
        temperature=fit_temperature(scores.scores, scores.labels),
        n=len(scores.labels),
        positives=int(scores.labels.sum()),
        patients=len(set(scores.patients)),
        thresholds=choose_thresholds(scores.scores, scores.labels),
        prediction=prediction_bounds(scores.scores, scores.labels),
    )
