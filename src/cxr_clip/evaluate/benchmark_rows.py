"""The table of benchmarks in words, for people: what each is measured on, and how."""

from cxr_clip.evaluate.benchmark_table import benchmarks
from cxr_clip.evaluate.contract import (
    Benchmark,
    ClassesTask,
    FewShotTask,
    FindingsTask,
    GroundingTask,
    ImageRule,
    MeaningTask,
    RetrievalTask,
    SeverityTask,
    SubgroupsTask,
    Task,
    ViewsTask,
    WordingTask,
)
from cxr_clip.study import Split

HEAD = ("benchmark", "hash", "part", "how")


def rows() -> tuple[tuple[str, str, str, str], ...]:
    """One row a benchmark: name and version, hash, the part of the data set, and how it is measured."""
    return tuple((f"{one.name} v{one.version}", one.identity, _part(one), _how(one.task)) for one in benchmarks())


def _part(benchmark: Benchmark) -> str:
    if isinstance(benchmark.task, FewShotTask | GroundingTask | SeverityTask):
        return Split.TEST.value
    return "all of it" if benchmark.split is None else benchmark.split.value


def _how(task: Task) -> str:
    if isinstance(task, FindingsTask):
        count = _findings(len(task.prompts))
        decisions = ", accuracy, F1" if task.decisions else ""
        images = ", first image" if task.images is ImageRule.FIRST else ""
        return f"{count}, {task.style}{images}; AUROC, average precision{decisions}"
    if isinstance(task, ClassesTask):
        prompts = sum(len(one.prompts) for one in task.sets)
        return f"{len(task.sets)} classes, {prompts} prompts, {task.score.value}; accuracy"
    if isinstance(task, FewShotTask):
        shares = ", ".join(f"{100 * share:g}" for share in task.shares)
        return f"{task.learner.value}; {shares} % of the training studies, {len(task.seeds)} seeds; AUROC"
    if isinstance(task, RetrievalTask):
        return f"{task.ties.value}; R@{', R@'.join(map(str, task.recalls))}, mean and median rank"
    return _how_else(task)


def _how_else(task: WordingTask | MeaningTask | GroundingTask | SubgroupsTask | ViewsTask | SeverityTask) -> str:
    if isinstance(task, SeverityTask):
        return f"{_findings(len(task.prompts))}, {task.style}, {len(task.degrees)} by degree; Spearman, quadratic kappa"
    if isinstance(task, ViewsTask):
        return (
            f"{_findings(len(task.prompts))}, {task.style}; AUROC and R@{task.recall} of all images and of single views"
        )
    if isinstance(task, SubgroupsTask):
        return (
            f"{_findings(len(task.prompts))}, {task.style}; AUROC and R@{task.recall} by {', '.join(task.attributes)}"
        )
    if isinstance(task, WordingTask):
        most = max(len(one.wordings) for one in task.findings)
        return f"{_findings(len(task.findings))}, {most} wordings; AUROC of each, its spread, all of them together"
    if isinstance(task, GroundingTask):
        return f"{_findings(len(task.prompts))}, {task.style}; pointing game, IoU, contrast, with controls"
    return f"{_findings(len(task.prompts))}; negation, uncertainty, side, severity; cosines of the texts"


def _findings(count: int) -> str:
    return "1 finding" if count == 1 else f"{count} findings"
