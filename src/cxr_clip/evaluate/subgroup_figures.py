"""Figures of groups of studies side by side: which groups can be compared, and how far the best is from the worst.

Entry 0 of what is drawn stands for all studies, the others for the resamples, which are the same for every group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from cxr_clip.evaluate.differences import two_sided_p
from cxr_clip.evaluate.multiplicity import holm
from cxr_clip.evaluate.statistics import Estimate, estimate

Draws = Float[ndarray, "draws"]
# How many studies of a group are positive and negative of each finding.
Counts = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class GroupFigures:
    """One group: its counts, and its figures, which are absent where it was not compared.

    `queries` are the studies with a text; `findings` say how many are positive and negative of each finding.
    """

    attribute: str
    name: str
    studies: int
    patients: int
    queries: int
    findings: Counts
    auroc: Estimate | None = None
    recall: Estimate | None = None


@dataclass(frozen=True)
class Gap:
    """The best group of an attribute minus the worst in one figure.

    `by_chance` is the mean distance from best to worst where all groups were alike; `adjusted` is p with every pair
    of groups in mind that was looked at for the same figure.
    """

    attribute: str
    figure: str
    best: str
    worst: str
    difference: Estimate
    by_chance: float
    p: float
    adjusted: float


@dataclass(frozen=True)
class Subgroups:
    """All groups with their gaps; `findings` are those that each attribute's groups were compared on.

    `unknown` says how many studies do not tell their group, by attribute.
    """

    groups: tuple[GroupFigures, ...] = ()
    gaps: tuple[Gap, ...] = ()
    findings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparable:
    """The groups that can be compared, in their order, and the findings that all of them can be compared on."""

    groups: tuple[str, ...]
    findings: tuple[str, ...]


def comparable(sizes: Mapping[str, int], counts: Mapping[str, Counts], *, studies: int, positives: int) -> Comparable:
    """Choose groups with so many studies, and so many positive and negative ones of a finding.

    Where no finding is left that all of them have, the smallest group leaves, until there is one. Fewer than two
    groups are none.
    """
    measured = {
        name: [finding for finding, of_classes in counts[name].items() if min(of_classes) >= positives]
        for name, size in sizes.items()
        if size >= studies
    }
    left = [name for name, findings in measured.items() if findings]
    while len(left) > 1:
        shared = [one for one in measured[left[0]] if all(one in measured[name] for name in left)]
        if shared:
            return Comparable(tuple(left), tuple(shared))
        left.remove(min(left, key=lambda name: sizes[name]))
    return Comparable((), ())


def gaps_of(figure: str, drawn: Mapping[str, Mapping[str, Draws]], sizes: Mapping[tuple[str, str], int]) -> list[Gap]:
    """The gap of every attribute with two groups or more: `drawn` is by attribute and group.

    `sizes` is how many studies a group (attribute, name) was measured on. Holm's correction is over all pairs of
    groups of all attributes, so that best and worst may be picked from them.
    """
    pairs = [(attribute, one, other) for attribute, groups in drawn.items() for one, other in combinations(groups, 2)]
    found = {
        (attribute, frozenset((one, other))): normal_p(drawn[attribute][one] - drawn[attribute][other])
        for attribute, one, other in pairs
    }
    adjusted = dict(zip(found, holm(list(found.values())), strict=True))
    gaps = []
    for attribute, groups in drawn.items():
        if len(groups) < 2:
            continue
        best, worst = (choose(groups, key=lambda name: groups[name][0]) for choose in (max, min))
        difference, pair = groups[best] - groups[worst], (attribute, frozenset((best, worst)))
        measured_on = sizes[attribute, best] + sizes[attribute, worst]
        gaps.append(
            Gap(
                attribute=attribute,
                figure=figure,
                best=best,
                worst=worst,
                difference=estimate(float(difference[0]), difference[1:], measured_on),
                by_chance=range_by_chance(list(groups.values())),
                p=found.get(pair, 1.0),
                adjusted=adjusted.get(pair, 1.0),
            )
        )
    return gaps


def normal_p(difference: Draws) -> float:
    """The two-sided p of no difference: it is normal, with the standard deviation of its resamples.

    Counting resamples cannot give a p below 2 / (resamples + 1), which no correction over twenty pairs survives; it is
    left where the resamples do not stray at all, or fewer than two have a value.
    """
    from scipy.stats import norm

    usable = difference[1:][np.isfinite(difference[1:])]
    if len(usable) < 2 or usable.min() == usable.max():
        return two_sided_p(usable)
    return float(2 * norm.sf(abs(difference[0]) / usable.std(ddof=1)))


def range_by_chance(drawn: Sequence[Draws]) -> float:
    """The mean distance from the largest to the smallest figure where all groups are alike.

    How far resamples stray from the figure stands for how far figures of as many studies stray from a common one.
    """
    strayed = np.stack([one[1:] - one[0] for one in drawn])
    return float(np.nanmean(strayed.max(axis=0) - strayed.min(axis=0)))
