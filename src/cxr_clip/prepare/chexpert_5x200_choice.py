"""Which images show one of the five findings of CheXpert 5x200 alone, and a choice among them."""

from collections.abc import Iterable, Mapping

from cxr_clip.errors import SourceError
from cxr_clip.prepare.chexpert_rows import Row
from cxr_clip.prepare.splits import fraction
from cxr_clip.study import Certainty

TASKS = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")


def single_task(findings: Mapping[str, Certainty]) -> str | None:
    """The one of the five that is positive; None where none or several are."""
    positive = [name for name in TASKS if findings.get(name) is Certainty.POSITIVE]
    return positive[0] if len(positive) == 1 else None


def choose(rows: Iterable[Row], texts: Mapping[str, str], per_class: int) -> list[Row]:
    """For each of the five findings up to `per_class` images, one a patient, in an order given by a hash.

    An image qualifies if it is frontal, its study has an impression, and the finding is positive while none of the
    other 13 labels is positive or uncertain: the rule of the published set, whose own random choice is not known.
    Raises SourceError if a finding has no such image.
    """
    candidates: dict[str, list[Row]] = {task: [] for task in TASKS}
    for row in rows:
        task = single_task(row.findings)
        if task is not None and _shows_nothing_else(row, task) and row.view.is_frontal and row.key.study_id in texts:
            candidates[task].append(row)
    empty = [task for task, found in candidates.items() if not found]
    if empty:
        raise SourceError(
            f"no frontal image with an impression shows {', '.join(empty)} alone: give the labels of all images "
            "(train.csv of CheXpert, or impression_fixed.json of CheXpert Plus)"
        )
    taken: set[str] = set()
    return [row for found in candidates.values() for row in _first(found, per_class, taken)]


def _shows_nothing_else(row: Row, task: str) -> bool:
    return all(certainty is Certainty.NEGATIVE for name, certainty in row.findings.items() if name != task)


def _first(found: list[Row], count: int, taken: set[str]) -> list[Row]:
    """The first images by hash, of patients that are not taken yet."""
    chosen: list[Row] = []
    for row in sorted(found, key=lambda row: fraction(f"chexpert 5x200 {row.key.image_id}")):
        if len(chosen) < count and row.key.patient not in taken:
            taken.add(row.key.patient)
            chosen.append(row)
    return chosen
