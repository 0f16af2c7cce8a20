"""A model and manifests in, every benchmark and the report out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cxr_clip import checkpoint
from cxr_clip.calibration import Calibration
from cxr_clip.data.manifest import Manifest, read_manifest
from cxr_clip.data.prompts import ZeroShotPrompt, load_zero_shot_prompts
from cxr_clip.data.store import ImageStore
from cxr_clip.embed import Embedder, load
from cxr_clip.errors import EvaluationError
from cxr_clip.evaluate.apply_calibration import NOT_SHOWN, calibrate_results, calibration_of_run
from cxr_clip.evaluate.benchmark_table import ALL, applicable, choose
from cxr_clip.evaluate.benchmarks import EvaluationOptions, general_benchmarks, measure
from cxr_clip.evaluate.calibrated import CalibratedResult
from cxr_clip.evaluate.contract import Benchmark, FindingsTask, ImageRule
from cxr_clip.evaluate.prompt_styles import choose_styles
from cxr_clip.evaluate.query_ranks import RANKS, write_ranks
from cxr_clip.evaluate.rare import RareResult, rank_results
from cxr_clip.evaluate.report import write_report
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.scores import SCORES, write_scores
from cxr_clip.evaluate.study_images import Advance
from cxr_clip.evaluate.subject import Material
from cxr_clip.evaluate.trained_on import Training, read_training
from cxr_clip.evaluate.training_counts import count_training
from cxr_clip.evaluate.training_log import TrainingCurves, read_training_log
from cxr_clip.evaluate.training_manifests import TrainingManifests
from cxr_clip.sharing.hub import find_model
from cxr_clip.study import Split


@dataclass(frozen=True)
class TrainingRequest:
    """What the model was trained on: these manifests, or those of its recipe; without `audit` nobody looks.

    `cache`: a folder in which what was read of images stays for the next audit; None keeps nothing.
    """

    manifests: tuple[Path, ...] | None = None
    audit: bool = True
    cache: Path | None = None


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
    training: TrainingRequest = field(default_factory=TrainingRequest)


@dataclass(frozen=True)
class BenchmarkRequest:
    """Which benchmarks of the table to measure, by name or "all" that apply, on which manifests."""

    manifests: tuple[Path, ...]
    names: tuple[str, ...] = (ALL,)
    options: EvaluationOptions = field(default_factory=EvaluationOptions)
    training: TrainingRequest = field(default_factory=TrainingRequest)


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation, the page that shows them, and the table's benchmarks that were not asked for."""

    results: tuple[BenchmarkResult, ...]
    page: Path
    others: tuple[str, ...] = ()


def evaluate_run(
    model: Path | str,
    request: EvaluationRequest,
    *,
    out: Path | None = None,
    device: str = "auto",
    advance: Advance | None = None,
) -> Evaluation:
    """Ask a model for every finding and for retrieval, whatever the data set.

    `model` is what `cxr_clip.load` takes: a run folder, a saved model, a name on the hub. report.json, report.html,
    scores.parquet and ranks.parquet go into `out`, else into the folder of the model. `advance` is told how many of
    how many images are embedded. Raises CheckpointError, HubError, ManifestError, PromptError or EvaluationError, each
    with its mend.
    """
    styles = choose_styles(request.styles, request.prompts)
    folder = find_model(model)
    place = out or _place(model, folder)
    own = calibration_of_run(folder, request.manifest, request.split)
    embedder = load(folder, device=device)
    manifest = read_manifest(request.manifest)
    studies = manifest.where(split=request.split)
    if not len(studies):
        raise EvaluationError(
            f"{request.manifest} has no study in the split {request.split.value!r}: choose another with --split"
        )
    prompts = {style: load_zero_shot_prompts(style, request.prompts) for style in styles}
    learned = _learned(embedder, request.training)
    training = _read_training(learned, request.training, advance)
    material = Material(studies, ImageStore(manifest.root).read, training.seen(studies))
    asked = [(one, material) for one in general_benchmarks(prompts, request.options, split=request.split)]
    results = measure(embedder, asked, request.options, advance=advance)
    facts = {
        "Manifest": str(request.manifest),
        "Split": f"{request.split.value}, {len(studies)} studies",
        "Prompts": f"{', '.join(styles)} of {request.prompts or 'the package'}",
    }
    calibrated = calibrate_results(
        results, own, embedder, manifest, prompts, split=request.split, options=request.options, advance=advance
    )
    facts["Calibration"] = calibrated.protocol[0] if calibrated else NOT_SHOWN
    rare = _by_prevalence(results, learned, request.options)
    page = _report(results, embedder, out=place, folder=folder, facts=facts, calibrated=calibrated, rare=rare)
    return Evaluation(tuple(results), page, others=tuple(one.name for one in applicable(manifest.sources)))


def evaluate_benchmarks(
    model: Path | str,
    request: BenchmarkRequest,
    *,
    out: Path | None = None,
    device: str = "auto",
    advance: Advance | None = None,
) -> Evaluation:
    """Measure a model by benchmarks of the table; model, files and errors are those of `evaluate_run`.

    Where all that apply are asked for, one without a study in its split is passed over; the report says which.
    """
    folder = find_model(model)
    place = out or _place(model, folder)
    manifests = [read_manifest(path) for path in request.manifests]
    chosen = choose(request.names, [source for manifest in manifests for source in manifest.sources])
    embedder = load(folder, device=device)
    learned = _learned(embedder, request.training)
    training = _read_training(learned, request.training, advance)
    materials = _materials(chosen, manifests, training)
    without = [one.name for one in chosen if not len(materials[one.name].manifest)]
    if without and (list(request.names) != [ALL] or len(without) == len(chosen)):
        raise EvaluationError(
            f"the manifests have no study in the split that {', '.join(without)} measures: prepare that part of the "
            "data set too"
        )
    asked = [(one, materials[one.name]) for one in chosen if one.name not in without]
    places = dict(zip(map(id, manifests), request.manifests, strict=True))
    own = [_calibration_for(one, _holder(one, manifests), places, folder) for one, _ in asked]
    results = measure(embedder, asked, request.options, advance=advance)
    facts = {
        "Manifest": ", ".join(map(str, request.manifests)),
        "Split": "that of each benchmark",
        **({"Passed over, no study in the split": ", ".join(without)} if without else {}),
    }
    calibrated = _calibrate(zip(own, results, strict=True), embedder, request.options, advance)
    facts["Calibration"] = calibrated.protocol[0] if calibrated else NOT_SHOWN
    rare = _by_prevalence(results, learned, request.options)
    page = _report(results, embedder, out=place, folder=folder, facts=facts, calibrated=calibrated, rare=rare)
    return Evaluation(tuple(results), page)


@dataclass(frozen=True, eq=False)
class _Calibratable:
    """Zero-shot prompts of a benchmark whose scores a calibration takes, with the run's own one, if it has one."""

    prompts: Mapping[str, Mapping[str, ZeroShotPrompt]]
    manifest: Manifest
    split: Split
    own: Calibration | None


def _calibration_for(
    benchmark: Benchmark, manifest: Manifest, places: Mapping[int, Path], folder: Path
) -> _Calibratable | None:
    """What a benchmark is calibrated with; None where its scores are no study's mean embedding against two prompts."""
    task = benchmark.task
    if not isinstance(task, FindingsTask) or task.images is not ImageRule.MEAN or benchmark.split is None:
        return None
    return _Calibratable(
        prompts={task.style: {one.finding: one for one in task.prompts}},
        manifest=manifest.where(sources=benchmark.sources),
        split=benchmark.split,
        own=calibration_of_run(folder, places[id(manifest)], benchmark.split),
    )


def _calibrate(
    measured: Iterable[tuple[_Calibratable | None, BenchmarkResult]],
    embedder: Embedder,
    options: EvaluationOptions,
    advance: Advance | None,
) -> CalibratedResult | None:
    """Calibrate the first benchmark that can be; the page has room for one."""
    for one, result in measured:
        found = one and calibrate_results(
            [result], one.own, embedder, one.manifest, one.prompts, split=one.split, options=options, advance=advance
        )
        if found:
            return found
    return None


def _learned(embedder: Embedder, request: TrainingRequest) -> TrainingManifests:
    """What the model was trained on, by itself and before that by the runs that it started from."""
    return TrainingManifests(embedder.recipe, request.manifests, embedder.started_from)


def _read_training(learned: TrainingManifests, request: TrainingRequest, advance: Advance | None) -> Training:
    """Read what the audit compares the evaluated studies with."""
    return read_training(learned, wanted=request.audit, cache=request.cache, advance=advance)


def _by_prevalence(
    results: Sequence[BenchmarkResult], learned: TrainingManifests, options: EvaluationOptions
) -> tuple[RareResult, ...]:
    """Rank findings by the studies of the training where its manifests are here, audited or not."""
    return rank_results(results, count_training(learned), resamples=options.resamples, seed=options.seed)


def _materials(
    chosen: Sequence[Benchmark], manifests: Sequence[Manifest], training: Training
) -> Mapping[str, Material]:
    """The studies of each benchmark, by its name; benchmarks of the same studies have one and the same."""
    shared: dict[tuple[tuple[str, ...], Split | None], Material] = {}
    for benchmark in chosen:
        key = benchmark.sources, benchmark.split
        if key not in shared:
            manifest = _holder(benchmark, manifests)
            studies = manifest.where(split=benchmark.split, sources=benchmark.sources or None)
            shared[key] = Material(studies, ImageStore(manifest.root).read, training.seen(studies))
    return {benchmark.name: shared[benchmark.sources, benchmark.split] for benchmark in chosen}


def _holder(benchmark: Benchmark, manifests: Sequence[Manifest]) -> Manifest:
    """The one manifest that has the data set of a benchmark; for one of any data set the only one there is."""
    if not benchmark.sources:
        if len(manifests) > 1:
            raise EvaluationError(
                f"the benchmark {benchmark.name} is for any data set: give one manifest, or name those of data sets"
            )
        return manifests[0]
    holders = [one for one in manifests if set(one.sources).intersection(benchmark.sources)]
    if len(holders) > 1:
        raise EvaluationError(
            f"{holders[0].root} and {holders[1].root} both hold {', '.join(benchmark.sources)}: give one of them, or "
            "join them with `cxr-clip merge`"
        )
    return holders[0]


def _report(
    results: Sequence[BenchmarkResult],
    embedder: Embedder,
    *,
    out: Path,
    folder: Path,
    facts: Mapping[str, str],
    calibrated: CalibratedResult | None = None,
    rare: Sequence[RareResult] = (),
) -> Path:
    """Write everything that an evaluation leaves behind; return the page."""
    curves = read_training_log(folder / checkpoint.METRICS)
    page = write_report(
        out,
        results,
        run_title=embedder.recipe.name,
        curves=curves,
        calibrated=calibrated,
        rare=rare,
        details={
            "Run": str(folder),
            "Weights": _weights_in_words(curves),
            **facts,
            "Images": f"{embedder.recipe.data.image_size} px, short side resized, centre crop",
        },
    )
    write_scores(out / SCORES, [one for result in results for one in result.scores])
    write_ranks(out / RANKS, [one for result in results for one in result.ranks])
    return page


def _place(model: Path | str, folder: Path) -> Path:
    """The folder of a local model, which takes its report. Raises EvaluationError for a model of the hub."""
    if folder != Path(model):
        raise EvaluationError(f"{model} is a model of the hub, whose copy here takes no report: say where with --out")
    return folder


def _weights_in_words(curves: TrainingCurves) -> str:
    """Say which weights of a training the run folder keeps."""
    if curves.validated:
        return "best by validation"
    return "those of the folder, which has no log" if curves.empty else "those of the last step, without validation"
