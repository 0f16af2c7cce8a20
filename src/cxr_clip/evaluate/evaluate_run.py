"""A run folder and a manifest in, every benchmark and the report out."""

from dataclasses import dataclass, field
from pathlib import Path

from cxr_clip import checkpoint
from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.prompts import load_zero_shot_prompts
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import load
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.apply_calibration import calibrate_results, calibration_of_run
from cxr_clip.evaluate.benchmarks import EvaluationOptions, evaluate_manifest
from cxr_clip.evaluate.prompt_styles import choose_styles
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.scores import SCORES, write_scores
from cxr_clip.evaluate.study_images import Advance
from cxr_clip.evaluate.training_log import TrainingCurves, read_training_log
from cxr_clip.study import Split


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure: a part of a manifest, with some styles of prompts, of ours or of the user's file `prompts`.

    Without `styles`: all of the user's file, or "standard" and "paraphrase" of ours.
    """

    manifest: Path
    split: Split = Split.TEST
    styles: tuple[str, ...] | None = None
    prompts: Path | None = None
    options: EvaluationOptions = field(default_factory=EvaluationOptions)


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation, and the page that shows them."""

    results: tuple[BenchmarkResult, ...]
    page: Path


def evaluate_run(
    run: Path,
    request: EvaluationRequest,
    *,
    out: Path | None = None,
    device: str = "auto",
    advance: Advance | None = None,
) -> Evaluation:
    """Measure the best weights of `run`; report.json, report.html and scores.parquet go into `out`, else into the run.

    `advance` is told how many of how many images are embedded.
    Raises CheckpointError, ManifestError, PromptError or EvaluationError, each with its mend.
    """
    styles = choose_styles(request.styles, request.prompts)
    own = calibration_of_run(run, request.manifest, request.split)
    embedder = load(run, device=device)
    manifest = read_manifest(request.manifest)
    studies = manifest.where(split=request.split)
    if not len(studies):
        raise EvaluationError(
            f"{request.manifest} has no study in the split {request.split.value!r}: choose another with --split"
        )
    prompts = {style: load_zero_shot_prompts(style, request.prompts) for style in styles}
    results = evaluate_manifest(
        embedder,
        studies,
        read_image=ImageStore(manifest.root).read,
        prompts=prompts,
        options=request.options,
        advance=advance,
    )
    calibrated = calibrate_results(
        results, own, embedder, manifest, prompts, split=request.split, options=request.options, advance=advance
    )
    curves = read_training_log(run / checkpoint.METRICS)
    page = write_report(
        out or run,
        results,
        run_title=embedder.recipe.name,
        curves=curves,
        calibrated=calibrated,
        details={
            "Run": str(run),
            "Weights": _weights_in_words(curves),
            "Manifest": str(request.manifest),
            "Split": f"{request.split.value}, {len(studies)} studies",
            "Prompts": f"{', '.join(styles)} of {request.prompts or 'the package'}",
            "Images": f"{embedder.recipe.data.image_size} px, short side resized, centre crop",
        },
    )
    write_scores((out or run) / SCORES, [one for result in results for one in result.scores])
    return Evaluation(results=tuple(results), page=page)


def _weights_in_words(curves: TrainingCurves) -> str:
    """Say which weights of a training the run folder keeps."""
    if curves.validated:
        return "best by validation"
    return "those of the folder, which has no log" if curves.empty else "those of the last step, without validation"
