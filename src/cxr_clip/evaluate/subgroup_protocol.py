"""The protocol of subgroups in plain sentences, and which groups were not compared."""

from cxr_clip.evaluate.contract import SubgroupsTask
from cxr_clip.evaluate.protocol import IMAGES
from cxr_clip.evaluate.subgroup_figures import GroupFigures, Subgroups


def subgroup_protocol(task: SubgroupsTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how figures of subgroups are made."""
    bounds = ", ".join(map(str, task.age_bounds))
    return (
        IMAGES,
        f"A study's embedding is the {task.images}: a study with a PA and a lateral image counts in both views, with "
        "another image in each.",
        f"Groups by {', '.join(task.attributes)}; bands of age begin at {bounds} years; a study that does not tell its "
        "group is left out of that attribute.",
        f"AUROC: zero-shot with the prompts '{task.style}', the mean over those findings that have at least "
        f"{task.min_positives} explicitly positive and {task.min_positives} explicitly negative studies in every "
        f"compared group. A group needs {task.min_studies} studies and one such finding; where no finding is left that "
        "all groups have, the smallest group leaves.",
        f"R@{task.recall}: how often a group's own text is among the first {task.recall} of the texts of all studies, "
        f"from image to text ({task.text}). A group needs {task.min_studies} studies with a text. Its interval is "
        "Wilson's by patient; where resamples stray less, as where nothing was found, normal noise makes up the rest.",
        "Gap: the best group minus the worst. Its interval is that of these two groups, as if they had been named "
        "beforehand; p takes the difference as normal, with the standard deviation of its resamples, and is corrected "
        "by Holm over every pair of groups of all attributes, since best and worst were picked from them. By chance: "
        "the mean distance from best to worst where all groups are alike.",
        f"Other intervals: 95 %, percentile bootstrap, {resamples:,} resamples of whole patients (seed {seed}), the "
        "same for every group, so that a patient who is in two groups counts in both or in neither.",
    )


def subgroup_notes(found: Subgroups, task: SubgroupsTask) -> tuple[str, ...]:
    """Name the groups that are too small, the attributes with fewer than two groups, and studies without a group."""
    lines: list[str] = []
    for attribute in task.attributes:
        groups = [one for one in found.groups if one.attribute == attribute]
        unknown = found.unknown[attribute]
        if len(groups) < 2:
            there = f"all are {groups[0].name}" if groups else "no study tells"
            lines.append(f"Not compared by {attribute}: {there}.")
            continue
        left = [_named(one) for one in groups if one.auroc is None and one.recall is None]
        if len(left) == len(groups):
            lines.append(f"Not compared by {attribute}, as no two groups are large enough: {', '.join(left)}.")
        elif left:
            lines.append(f"Too small to compare by {attribute}: {', '.join(left)}.")
        if alone := [_named(one) for one in groups if one.auroc is None and one.recall is not None]:
            lines.append(f"Too few positive or negative studies for AUROC by {attribute}: {', '.join(alone)}.")
        if unknown:
            lines.append(f"{_studies(unknown)} {'does' if unknown == 1 else 'do'} not tell {attribute}.")
    return tuple(lines)


def _named(one: GroupFigures) -> str:
    return f"{one.name} ({_studies(one.studies)})"


def _studies(count: int) -> str:
    return "1 study" if count == 1 else f"{count:,} studies"
