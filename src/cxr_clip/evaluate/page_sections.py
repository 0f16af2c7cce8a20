"""The sections of the report page: the results of one kind on one data set together, with their benchmarks' hashes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from cxr_clip.evaluate.figure_rows import FigureRow
from cxr_clip.evaluate.page import (
    DATA_SETS,
    Forest,
    Panel,
    forest,
    of_decimals,
    of_hundred,
    of_percent,
    of_rank,
    roc_panels,
)
from cxr_clip.evaluate.page_grounding import grounding_rows
from cxr_clip.evaluate.page_meaning import MeaningTable, meaning_rows, meaning_table
from cxr_clip.evaluate.page_severity import GradeRows, grade_rows, severity_rows
from cxr_clip.evaluate.page_subgroups import SubgroupTable, subgroup_table
from cxr_clip.evaluate.page_views import views_rows
from cxr_clip.evaluate.page_wording import Strips, strips_of, wording_rows
from cxr_clip.evaluate.published_figures import published_of
from cxr_clip.evaluate.results import BenchmarkResult, GalleryEntry, GroundedPicture
from cxr_clip.evaluate.statistics import Estimate

KINDS = {
    "zero_shot": "Zero-shot findings",
    "classes": "Zero-shot, one class of several",
    "retrieval": "Retrieval",
    "probe": "Linear probe",
    "fine_tune": "Fine-tune",
    "wording": "Dependence on wording",
    "meaning": "Opposite meanings",
    "grounding": "Grounding",
    "subgroups": "Subgroups",
    "views": "All images against single views",
    "severity": "Severity",
}
WAYS = {"image_to_text": "Image → text", "text_to_image": "Text → image"}


@dataclass(frozen=True)
class ZeroShotSection:
    """One data set's findings: the table, its curves; `published` and `notes` are sentences."""

    title: str
    labels: tuple[str, ...]
    forest: Forest | None
    roc_panels: tuple[Panel, ...]
    published: tuple[str, ...]


@dataclass(frozen=True)
class FigureSection:
    """Any other benchmark: rows of figures, a retrieval's gallery, strips of wordings, notes on what is published."""

    kind: str
    title: str
    labels: tuple[str, ...]
    rows: tuple[FigureRow, ...]
    published: tuple[str, ...]
    gallery: tuple[GalleryEntry, ...]
    strips: Strips | None = None
    meanings: MeaningTable | None = None
    groundings: tuple[GroundedPicture, ...] = ()
    subgroups: SubgroupTable | None = None
    grades: tuple[GradeRows, ...] = ()

    @property
    def with_published(self) -> bool:
        """Whether a row has a published figure."""
        return any(row.published for row in self.rows)

    @property
    def with_chance(self) -> bool:
        """Whether a row says what chance gives."""
        return any(row.chance for row in self.rows)


def zero_shot_sections(results: Sequence[BenchmarkResult]) -> tuple[ZeroShotSection, ...]:
    """One section for each data set that findings were measured on, all its styles of prompts together."""
    zero_shot = [result for result in results if kind_of(result) == "zero_shot"]
    sections: list[ZeroShotSection] = []
    for source, group in groupby(zero_shot, key=source_of):
        of_source = list(group)
        table = forest(of_source)
        sections.append(
            ZeroShotSection(
                title=title("zero_shot", source),
                labels=_labels(of_source),
                forest=table,
                roc_panels=roc_panels(of_source, [row.finding for row in table.rows]) if table else (),
                published=_published_macros(of_source),
            )
        )
    return tuple(sections)


def figure_sections(results: Sequence[BenchmarkResult]) -> tuple[FigureSection, ...]:
    """One section for each other benchmark, in their order."""
    return tuple(
        FigureSection(
            kind=kind_of(result),
            title=heading(result),
            labels=_labels([result]),
            rows=_ROWS[kind_of(result)](result),
            published=_notes([result]),
            gallery=result.gallery,
            strips=strips_of(result),
            meanings=meaning_table(result),
            groundings=result.groundings,
            subgroups=subgroup_table(result),
            grades=grade_rows(result),
        )
        for result in results
        if kind_of(result) != "zero_shot"
    )


def kind_of(result: BenchmarkResult) -> str:
    """The kind of a benchmark: the first part of its name."""
    return result.name.split("/")[0]


def source_of(result: BenchmarkResult) -> str | None:
    """The data set that a benchmark is made for; None for those of any manifest."""
    sources = result.benchmark.sources if result.benchmark is not None else ()
    return sources[0] if sources else None


def title(kind: str, source: str | None) -> str:
    """A heading: the kind, and the data set where the benchmark is made for one."""
    return KINDS[kind] if source is None else f"{KINDS[kind]}: {DATA_SETS[source]}"


def heading(result: BenchmarkResult) -> str:
    """The name of one benchmark in words."""
    source, parts = source_of(result), result.name.split("/")
    variant = parts[1:] if source is None else parts[2:]
    style = " prompts" if kind_of(result) == "zero_shot" and source is None else ""
    return f"{title(parts[0], source)}, {variant[0]}{style}" if variant else title(parts[0], source)


def _labels(results: Sequence[BenchmarkResult]) -> tuple[str, ...]:
    return tuple(result.benchmark.label for result in results if result.benchmark is not None)


def _notes(results: Sequence[BenchmarkResult]) -> tuple[str, ...]:
    notes = (found.note for result in results if result.metrics and (found := published_of(result.name)))
    return tuple(dict.fromkeys(notes))


def _published_macros(results: Sequence[BenchmarkResult]) -> tuple[str, ...]:
    """The published macro AUROC with its note, each once."""
    found = (published_of(result.name) for result in results)
    return tuple(
        dict.fromkeys(
            f"Published macro AUROC {one.values['auroc/macro']:.3f}: {one.whose}" for one in found if one is not None
        )
    )


def _published_value(result: BenchmarkResult, figure: str) -> float | None:
    found = published_of(result.name)
    return None if found is None else found.values.get(figure)


def _retrieval_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """Each way: recalls, then ranks, next to chance."""
    rows: list[FigureRow] = []
    for way, words in WAYS.items():
        for name, one in result.metrics.items():
            if not name.startswith(f"{way}/") or name.endswith("_chance"):
                continue
            chance, figure = result.metrics[f"{name}_chance"], name.removeprefix(f"{way}/")
            published = _published_value(result, name)
            rows.append(_retrieval_row(words, figure, one, chance, of_hundred(published) if published else ""))
    return tuple(rows)


def _retrieval_row(way: str, figure: str, one: Estimate, chance: Estimate, published: str) -> FigureRow:
    if figure.startswith("recall_at_"):
        words, times, in_words = f"R@{figure.removeprefix('recall_at_')}", one.value / chance.value, of_percent
    else:
        words, times, in_words = figure.replace("_", " ").capitalize(), chance.value / one.value, of_rank
    value, interval = in_words(one)
    return FigureRow(way, words, value, interval, in_words(chance)[0], f"{times:,.1f} ×", published)


def _class_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """Accuracy of all and of each class."""
    chance = result.metrics.get("accuracy/chance")
    rows: list[FigureRow] = []
    for name, one in result.metrics.items():
        if name == "accuracy/chance" or chance is None:
            continue
        words = {"accuracy/macro": "Mean of the classes", "accuracy/micro": "All studies"}.get(name, name.split("/")[1])
        published = _published_value(result, name)
        value, interval = of_percent(one)
        rows.append(
            FigureRow(
                group="Accuracy",
                figure=words,
                value=value,
                interval=interval,
                chance=of_hundred(chance.value),
                times=f"{one.value / chance.value:,.1f} ×",
                published=of_hundred(published) if published else "",
            )
        )
    return tuple(rows)


def _few_shot_rows(result: BenchmarkResult) -> tuple[FigureRow, ...]:
    """AUROC by share of the training studies: the macro average, then each finding."""
    rows: list[FigureRow] = []
    for name, one in result.metrics.items():
        share, finding = name.removeprefix("auroc_at_").split("/", maxsplit=1)
        published = _published_value(result, name)
        value, interval = of_decimals(one)
        words = "Macro average" if finding == "macro" else finding
        beside = f"{published:.3f}" if published else ""
        rows.append(FigureRow(f"AUROC, {share} % of the training studies", words, value, interval, published=beside))
    return tuple(rows)


def _no_rows(_: BenchmarkResult) -> tuple[FigureRow, ...]:
    """Subgroups have a table of their own."""
    return ()


_ROWS = {
    "retrieval": _retrieval_rows,
    "classes": _class_rows,
    "probe": _few_shot_rows,
    "fine_tune": _few_shot_rows,
    "wording": wording_rows,
    "meaning": meaning_rows,
    "grounding": grounding_rows,
    "subgroups": _no_rows,
    "views": views_rows,
    "severity": severity_rows,
}
LEADS: Mapping[str, str] = {
    "retrieval": "Given an image, where does its own report come among all reports, and the other way round. Identical "
    "reports count as one. R@k is the share of queries whose right one is among the first k; a low rank is good. "
    "Chance is what a random order of the same pool gives.",
    "classes": "Which of the classes a study shows, by the prompts that its image is nearest to.",
    "probe": "How well a finding is told by a line drawn through the features of the image encoder, which stays as it "
    "is, after so many of the training studies.",
    "fine_tune": "How well a finding is told after the image encoder has learned from so many of the training studies.",
    "wording": "How far zero-shot AUROC depends on the words: each pair of sentences alone, how they differ, and "
    "whether all of them together are better than the median one.",
    "meaning": "Whether sentences of opposite meaning are told apart: which of the two a study is nearer to, and how "
    "near they are to each other. Chance is what a model gives that hears no difference.",
    "grounding": "Whether the map of a finding lies where readers drew it. A map that knows no picture, and the text "
    "of another finding, are measured beside it: a figure that they reach says nothing of the model.",
    "subgroups": "Whether groups of patients and pictures are served alike. Groups differ in what they have too, so a "
    "gap is a reason to look and no proof of a cause.",
    "views": "What the lateral image of a study adds: all of its images together against its frontal, or lateral, ones "
    "alone, for the same studies.",
    "severity": "Whether scores rise with the grades that readers gave (Spearman), and whether thresholds of "
    "validation tell the grades apart (kappa with quadratic weights: 0 is chance, 1 is the readers' own).",
}
NOT_MEASURED: Mapping[str, str] = {
    "retrieval": "Not measured: fewer than two different reports here.",
    "classes": "Not measured: a class has no study of its own here.",
    "probe": "Not measured: training, validation and test studies need both classes of a finding.",
    "fine_tune": "Not measured: training, validation and test studies need both classes of a finding.",
    "wording": "Not measured: no finding has enough explicit positives and negatives here.",
    "meaning": "Not measured: no finding has enough studies of two opposites here.",
    "grounding": "Not measured: no finding was drawn on enough test images here.",
    "subgroups": "Not measured: no two groups have enough studies here; the protocol below names them.",
    "views": "Not measured: too few studies have a frontal and a lateral image here.",
    "severity": "Not measured: too few test studies are graded here.",
}
