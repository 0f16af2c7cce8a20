"""Groups of studies with one embedding of each study: by what a study tells, or by the view of its images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from cxr_clip.evaluate.retrieval import retrieval_text
from cxr_clip.evaluate.study_images import embed_texts
from cxr_clip.evaluate.subgroup_attributes import VIEW, VIEWS, group_of, in_order
from cxr_clip.evaluate.subject import Subject
from cxr_clip.ranking import merge_identical


@dataclass(frozen=True, eq=False)
class Group:
    """Some of the studies, by their places, with the mean embedding of each, of unit length."""

    attribute: str
    name: str
    places: Int[ndarray, "chosen"]
    images: Float[Tensor, "chosen dim"]


@dataclass(frozen=True, eq=False)
class TextPool:
    """The different texts of some studies, and which of them is whose: -1 for a study without a text."""

    texts: Float[Tensor, "texts dim"]
    text_of_study: Int[ndarray, "studies"]


def groups_of(subject: Subject, attribute: str, *, age_bounds: Sequence[int]) -> list[Group]:
    """The groups of an attribute that have a study; a study counts in each view that it has, with those images."""
    if attribute == VIEW:
        by_view = {name: subject.by_view.means((view,)) for name, view in VIEWS.items()}
        return [Group(VIEW, name, one.places, one.mean) for name, one in by_view.items() if len(one.places)]
    named = [group_of(study, attribute, age_bounds=age_bounds) for study in subject.studies]
    groups = []
    for name in in_order({name for name in named if name is not None}):
        places = np.asarray([place for place, one in enumerate(named) if one == name], dtype=np.int64)
        groups.append(Group(attribute, name, places, subject.images.mean[places]))
    return groups


def text_pool(subject: Subject) -> TextPool | None:
    """The different texts of the studies; None where there are fewer than two."""
    text_of = {place: text for place, study in enumerate(subject.studies) if (text := retrieval_text(study))}
    texts = list(text_of.values())
    merged = merge_identical(texts)
    if len(merged.first) < 2:
        return None
    right = np.full(len(subject.studies), -1, dtype=np.int64)
    right[list(text_of)] = merged.group
    different = [texts[row] for row in merged.first]
    return TextPool(embed_texts(subject.embedder, different, batch=subject.options.batch), right)
