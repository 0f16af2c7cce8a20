"""The benchmark of subgroups: AUROC and retrieval by age, sex, view, source, number of images and sections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from cxr_clip.data.stated import stated
from cxr_clip.directions import Direction, direction_between, pair_scores
from cxr_clip.evaluate import protocol
from cxr_clip.evaluate.contract import Benchmark, ImageRule, SubgroupsTask
from cxr_clip.evaluate.results import BenchmarkResult
from cxr_clip.evaluate.statistics import Estimate, estimate, exact
from cxr_clip.evaluate.subgroup_figures import Draws, GroupFigures, Subgroups, comparable, gaps_of
from cxr_clip.evaluate.subgroup_groups import Group, TextPool, groups_of, text_pool
from cxr_clip.evaluate.subgroup_protocol import subgroup_notes, subgroup_protocol
from cxr_clip.evaluate.subgroup_recall import Recall, recall_of
from cxr_clip.evaluate.subject import Subject
from cxr_clip.metrics import weighted_auroc
from cxr_clip.ranking import target_ranks


@dataclass(frozen=True, eq=False)
class _Asked:
    """What groups are asked for: findings by their prompts, and texts; no `pool` where fewer than two differ."""

    subject: Subject
    task: SubgroupsTask
    directions: Mapping[str, Direction]
    pool: TextPool | None
    weights: Shaped[ndarray, "draws studies"]


@dataclass(frozen=True, eq=False)
class _Attribute:
    """One attribute: its groups as counted, and what was drawn of those that were compared, by name."""

    name: str
    groups: Sequence[GroupFigures]
    unknown: int
    findings: tuple[str, ...]
    areas: Mapping[str, Draws]
    recalls: Mapping[str, Recall]


def measure_subgroups(benchmark: Benchmark, subject: Subject) -> BenchmarkResult:
    """Measure the groups of every attribute that can be compared."""
    task, options = benchmark.task, subject.options
    assert isinstance(task, SubgroupsTask)
    embed = subject.embedder.embed_texts
    everyone = np.ones((1, len(subject.studies)), dtype=subject.weights.dtype)
    asked = _Asked(
        subject,
        task,
        directions={one.finding: direction_between(embed(one.positive), embed(one.negative)) for one in task.prompts},
        pool=text_pool(subject),
        weights=np.vstack([everyone, subject.weights]),
    )
    attributes = [_measure(asked, attribute) for attribute in task.attributes]
    found = _together(attributes, task)
    return BenchmarkResult(
        name=benchmark.name,
        metrics={**_metrics(found, task), **_chance(found, asked)},
        protocol=subgroup_protocol(task, options.resamples, options.seed),
        population=subject.population(rule=ImageRule.MEAN),
        notes=(*protocol.without_image(subject.without_image), *subgroup_notes(found, task)),
        benchmark=benchmark,
        subgroups=found,
    )


def _measure(asked: _Asked, attribute: str) -> _Attribute:
    """Measure the groups of one attribute: AUROC of those that share findings, R@k of those with enough texts."""
    task, studies = asked.task, asked.subject.studies
    groups = groups_of(asked.subject, attribute, age_bounds=task.age_bounds)
    counted = {group.name: _count(asked, group) for group in groups}
    chosen = comparable(
        {name: one.studies for name, one in counted.items()},
        {name: one.findings for name, one in counted.items()},
        studies=task.min_studies,
        positives=task.min_positives,
    )
    with_text = [group for group in groups if counted[group.name].queries >= task.min_studies]
    told = set[int]().union(*(group.places.tolist() for group in groups))
    return _Attribute(
        name=attribute,
        groups=tuple(counted.values()),
        unknown=len(studies) - len(told),
        findings=chosen.findings,
        areas={group.name: _areas(asked, group, chosen.findings) for group in groups if group.name in chosen.groups},
        recalls={group.name: _recall(asked, group) for group in with_text} if len(with_text) > 1 else {},
    )


def _count(asked: _Asked, group: Group) -> GroupFigures:
    studies = [asked.subject.studies[place] for place in group.places]
    of_finding = {finding: stated(studies, finding)[1] for finding in asked.directions}
    return GroupFigures(
        attribute=group.attribute,
        name=group.name,
        studies=len(studies),
        patients=len({study.patient for study in studies}),
        queries=0 if asked.pool is None else int((asked.pool.text_of_study[group.places] >= 0).sum()),
        findings={finding: (int(one.sum()), int((~one).sum())) for finding, one in of_finding.items()},
    )


def _areas(asked: _Asked, group: Group, findings: Sequence[str]) -> Draws:
    """The mean AUROC over findings of a group, for all studies and every resample."""
    studies, weights = [asked.subject.studies[place] for place in group.places], asked.weights[:, group.places]
    areas = []
    for finding in findings:
        counted, positive = stated(studies, finding)
        scores = pair_scores(group.images[counted], asked.directions[finding])
        areas.append(weighted_auroc(scores, positive, weights[:, counted]))
    return np.asarray(np.mean(np.stack(areas), axis=0))


def _recall(asked: _Asked, group: Group) -> Recall:
    """How often a group's own text is among the first k of the texts of all studies."""
    assert asked.pool is not None, "a group without a pool has no queries"
    right = asked.pool.text_of_study[group.places]
    queries = np.flatnonzero(right >= 0)
    places = group.places[queries]
    hits = target_ranks(group.images[queries], asked.pool.texts, right[queries]) <= asked.task.recall
    patients = [asked.subject.studies[place].patient for place in places]
    # Another seed than that of the resamples, and one for each group, or groups would be widened alike.
    rng = np.random.default_rng([asked.subject.options.seed, *map(ord, f"{group.attribute}/{group.name}")])
    return recall_of(hits, patients, asked.weights[:, places], rng)


def _together(attributes: Sequence[_Attribute], task: SubgroupsTask) -> Subgroups:
    """All attributes with their gaps, which are corrected together."""
    rows = tuple(_with_figures(row, one) for one in attributes for row in one.groups)
    areas = gaps_of(
        "auroc",
        {one.name: one.areas for one in attributes},
        {(row.attribute, row.name): row.studies for row in rows},
    )
    recalls = gaps_of(
        task.recall_figure,
        {one.name: {name: recall.draws for name, recall in one.recalls.items()} for one in attributes},
        {(row.attribute, row.name): row.queries for row in rows},
    )
    return Subgroups(
        groups=rows,
        gaps=(*areas, *recalls),
        findings={one.name: one.findings for one in attributes},
        unknown={one.name: one.unknown for one in attributes},
    )


def _with_figures(row: GroupFigures, of: _Attribute) -> GroupFigures:
    area, recall = of.areas.get(row.name), of.recalls.get(row.name)
    return replace(
        row,
        auroc=None if area is None else estimate(float(area[0]), area[1:], row.studies),
        recall=None if recall is None else recall.estimate,
    )


def _metrics(found: Subgroups, task: SubgroupsTask) -> dict[str, Estimate]:
    """Name the figures: gaps first, then the groups."""
    metrics = {f"{gap.figure}_gap/{gap.attribute}": gap.difference for gap in found.gaps}
    for one in found.groups:
        for figure, value in (("auroc", one.auroc), (task.recall_figure, one.recall)):
            if value is not None:
                metrics[f"{figure}/{one.attribute}/{one.name}"] = value
    return metrics


def _chance(found: Subgroups, asked: _Asked) -> dict[str, Estimate]:
    """What a random order of the texts gives, the same for every group; nothing where no recall was measured."""
    if asked.pool is None or not any(one.recall for one in found.groups):
        return {}
    pool = len(asked.pool.texts)
    return {f"image_to_text/{asked.task.recall_figure}_chance": exact(min(1.0, asked.task.recall / pool), pool)}
