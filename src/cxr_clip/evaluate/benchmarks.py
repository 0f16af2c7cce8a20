"""Every benchmark of a model on its studies: each image is embedded once and shared between them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from cxr_clip.data.prompts import ZeroShotPrompt
from cxr_clip.errors import PromptError
from cxr_clip.evaluate.class_benchmark import measure_classes
from cxr_clip.evaluate.clean_part import overlap_of
from cxr_clip.evaluate.contract import (
    Benchmark,
    ClassesTask,
    FewShotTask,
    FindingsTask,
    GroundingTask,
    MeaningTask,
    RetrievalTask,
    SeverityTask,
    SubgroupsTask,
    Task,
    ViewsTask,
    WordingTask,
)
from cxr_clip.evaluate.few_shot import measure_few_shot
from cxr_clip.evaluate.finding_benchmark import measure_findings
from cxr_clip.evaluate.grounding_benchmark import measure_grounding
from cxr_clip.evaluate.meaning_benchmark import measure_meaning
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.retrieval_benchmark import measure_retrieval
from cxr_clip.evaluate.severity_benchmark import measure_severity
from cxr_clip.evaluate.study_images import Advance, Embedder, ReadImage
from cxr_clip.evaluate.subgroup_benchmark import measure_subgroups
from cxr_clip.evaluate.subject import EvaluationOptions, Material, Subject
from cxr_clip.evaluate.views_benchmark import measure_views
from cxr_clip.evaluate.wording_benchmark import measure_wording
from cxr_clip.study import Split, Study

__all__ = ["MEASURES", "EvaluationOptions", "evaluate_manifest", "general_benchmarks", "measure"]

Measure = Callable[[Benchmark, Subject], BenchmarkResult]
# How each kind of task is measured.
MEASURES: Mapping[type[Task], Measure] = {
    FindingsTask: measure_findings,
    ClassesTask: measure_classes,
    RetrievalTask: measure_retrieval,
    FewShotTask: measure_few_shot,
    WordingTask: measure_wording,
    MeaningTask: measure_meaning,
    GroundingTask: measure_grounding,
    SubgroupsTask: measure_subgroups,
    ViewsTask: measure_views,
    SeverityTask: measure_severity,
}


def measure(
    embedder: Embedder,
    asked: Sequence[tuple[Benchmark, Material]],
    options: EvaluationOptions,
    *,
    advance: Advance | None = None,
) -> list[BenchmarkResult]:
    """Measure benchmarks in their order; those with the same material share its embeddings.

    `advance` is told how many of how many images of a material are embedded. Raises EvaluationError where a material
    has no study with an image in use.
    """
    subjects = {id(material): Subject(embedder, material, options, advance) for _, material in asked}
    return [_measure(benchmark, subjects[id(material)]) for benchmark, material in asked]


def _measure(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure all studies, and those that were not trained on once more; some benchmarks do so themselves."""
    way = MEASURES[type(benchmark.task)]
    if isinstance(benchmark.task, FewShotTask | GroundingTask | SeverityTask):
        return way(benchmark, subject)
    overlap = overlap_of(
        subject.studies, subject.material.seen, lambda clean: way(benchmark, subject.part(clean)).metrics
    )
    return replace(way(benchmark, subject), overlap=overlap)


def general_benchmarks(
    prompts: Mapping[str, Mapping[str, ZeroShotPrompt]], options: EvaluationOptions, *, split: Split | None
) -> tuple[Benchmark, ...]:
    """The benchmarks of any manifest: "zero_shot/<style>" for each style of prompts, then "retrieval".

    Raises PromptError where a finding that was asked for has no prompt.
    """
    tasks: dict[str, Task] = {
        f"zero_shot/{style}": FindingsTask(
            style,
            _choose_prompts(style, by_finding, options.findings),
            min_positives=options.min_positives,
            pass_over_unspoken=options.findings is None,
        )
        for style, by_finding in prompts.items()
    }
    tasks["retrieval"] = RetrievalTask()
    return tuple(Benchmark(name, 1, (), split, task) for name, task in tasks.items())


def evaluate_manifest(
    embedder: Embedder,
    manifest: Sequence[Study],
    *,
    read_image: ReadImage,
    prompts: Mapping[str, Mapping[str, ZeroShotPrompt]],
    options: EvaluationOptions | None = None,
    advance: Advance | None = None,
) -> list[BenchmarkResult]:
    """Measure the benchmarks of any manifest; one that cannot be measured says so in a note.

    `advance` is told how many of how many images are embedded. Raises EvaluationError where no study has an image in
    use and PromptError where a finding that was asked for has no prompt.
    """
    options, material = options or EvaluationOptions(), Material(manifest, read_image)
    benchmarks = general_benchmarks(prompts, options, split=None)
    return measure(embedder, [(one, material) for one in benchmarks], options, advance=advance)


def _choose_prompts(
    style: str, prompts: Mapping[str, ZeroShotPrompt], findings: tuple[str, ...] | None
) -> tuple[ZeroShotPrompt, ...]:
    """Return the prompts of the findings that are asked for."""
    missing = [finding for finding in findings or () if finding not in prompts]
    if missing:
        raise PromptError(
            f"no zero-shot prompt in the style '{style}' for {', '.join(missing)}: it has {', '.join(sorted(prompts))}"
        )
    return tuple(prompts[finding] for finding in (prompts if findings is None else findings))
