"""The protocol of severity in plain sentences."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cxr_clip.evaluate.contract import SeverityTask
from cxr_clip.evaluate.protocol import IMAGES
from cxr_clip.study import Study

if TYPE_CHECKING:
    from cxr_clip.evaluate.severity_benchmark import Graded


def severity_protocol(task: SeverityTask, resamples: int, seed: int) -> tuple[str, ...]:
    """Say how figures of severity are made."""
    return (
        IMAGES,
        "A study's embedding is the mean of the unit-length embeddings of its images, brought back to unit length.",
        "Grades are those of the manifest, whole numbers from 0 (none); a study without a grade of a finding does not "
        "count for it.",
        f"Presence: the cosine with the positive side of the prompts '{task.style}' minus that with the negative side. "
        "Degree: the cosine with sentences of the highest degree (severe, large) minus that with sentences that deny "
        "the finding; for findings that have such words.",
        "Spearman: of score and grade, on the test studies; chance is 0.",
        "Kappa: Cohen's, with quadratic weights, of the readers' grades and those given by thresholds on the score; "
        "the thresholds give each grade to as many validation studies as have it. Chance is 0. No test study moves a "
        "threshold.",
        f"A finding is measured with {task.min_studies} graded test studies and {task.min_of_grade} of each of two "
        "grades; kappa needs as many validation studies. The macro average weighs findings equally.",
        f"Intervals: 95 %, percentile bootstrap, {resamples:,} resamples of whole patients (seed {seed}); the "
        "thresholds stay as they are.",
    )


def severity_notes(test: Sequence[Study], found: "Sequence[Graded]") -> tuple[str, ...]:
    """Say how many test studies have which grade of each finding, and what was not measured."""
    counts: dict[str, Counter[int]] = {}
    for study in test:
        for finding, grade in study.grades.items():
            counts.setdefault(finding, Counter())[grade] += 1
    if not counts:
        return ("No test study has a grade.",)
    listed = (
        f"{finding} {', '.join(f'{counts[finding][grade]:,} of grade {grade}' for grade in sorted(counts[finding]))}"
        for finding in counts
    )
    notes = [f"Graded test studies: {'; '.join(listed)}."]
    measured = {one.finding for one in found}
    if few := [finding for finding in counts if finding not in measured]:
        notes.append(f"Too few graded test studies, or no prompts: {', '.join(few)}.")
    if without := sorted({one.finding for one in found if one.table is None}):
        notes.append(f"Too few graded validation studies for thresholds: {', '.join(without)}.")
    return tuple(notes)
