"""Sentences that say what is not there."""

from dataclasses import dataclass

import numpy as np

from cxr_clip.synthetic.phrases import pick, sentence


@dataclass(frozen=True)
class Negative:
    """A denial: the findings that must be absent, how common it is, and its wordings.

    `belies` are findings that it does not name and that would give it the lie all the same.
    """

    denies: frozenset[str]
    weight: float
    wordings: tuple[str, ...]
    belies: frozenset[str] = frozenset()


def negatives(
    absent: frozenset[str], rng: np.random.Generator, count: int, *, about: frozenset[str] | None = None
) -> list[str]:
    """Up to that many sentences which deny findings (those `about`, if given), none against one that is there."""
    allowed = [n for n in NEGATIVES if n.denies | n.belies <= absent and (about is None or n.denies <= about)]
    weights = np.array([n.weight for n in allowed])
    chosen: list[str] = []
    denied: set[str] = set()
    for i in rng.choice(len(allowed), size=len(allowed), replace=False, p=weights / weights.sum()) if allowed else ():
        n = allowed[int(i)]
        if not n.denies & denied and len(chosen) < count:
            chosen.append(sentence(pick(rng, n.wordings)))
            denied |= n.denies
    return chosen


NEGATIVES: tuple[Negative, ...] = (
    Negative(
        frozenset({"Pneumothorax"}),
        3,
        (
            "no pneumothorax",
            "there is no pneumothorax",
            "no evidence of pneumothorax",
            "no visible pneumothorax",
        ),
    ),
    Negative(
        frozenset({"Pleural Effusion"}),
        3,
        (
            "no pleural effusion",
            "there is no pleural effusion",
            "costophrenic angles are sharp without pleural effusion",
        ),
    ),
    Negative(
        frozenset({"Pleural Effusion", "Pneumothorax"}),
        3,
        (
            "no pleural effusion or pneumothorax",
            "there is no pneumothorax or pleural effusion",
            "no effusion or pneumothorax is seen",
        ),
    ),
    Negative(
        frozenset({"Consolidation"}),
        3,
        (
            "no focal consolidation",
            "there is no airspace consolidation",
            "no consolidation is identified",
            "negative for consolidation",
        ),
    ),
    Negative(
        frozenset({"Consolidation", "Pleural Effusion", "Pneumothorax"}),
        3,
        (
            "no focal consolidation, pleural effusion, or pneumothorax",
            "negative for consolidation, pneumothorax, or pleural effusion",
        ),
    ),
    Negative(
        frozenset({"Cardiomegaly"}),
        5,
        (
            "heart size is normal",
            "the heart is not enlarged",
            "no cardiomegaly",
            "normal cardiac silhouette",
            "the cardiomediastinal silhouette is within normal limits",
        ),
    ),
    Negative(
        frozenset({"Edema"}),
        1.3,
        (
            "no pulmonary edema",
            "there is no edema",
        ),
    ),
    Negative(
        frozenset({"Edema"}),
        0.7,
        ("pulmonary vascularity is normal without edema",),
        belies=frozenset({"Emphysema", "Pneumothorax"}),
    ),
    Negative(
        frozenset({"Atelectasis"}),
        1,
        (
            "no atelectasis",
            "there is no evidence of atelectasis",
        ),
    ),
    Negative(
        frozenset({"Atelectasis"}),
        0.5,
        ("the lungs are well expanded without atelectasis",),
        belies=frozenset({"Pneumothorax"}),
    ),
    Negative(
        frozenset({"Nodule"}),
        1.2,
        (
            "no pulmonary nodule",
            "no suspicious nodule is seen",
            "no nodule",
        ),
    ),
    Negative(
        frozenset({"Nodule", "Mass"}),
        1.5,
        (
            "no pulmonary nodule or mass",
            "no suspicious nodule or mass is identified",
        ),
    ),
    Negative(
        frozenset({"Mass"}),
        1,
        (
            "no mass",
            "no pulmonary mass is seen",
            "there is no lung mass",
        ),
    ),
    Negative(
        frozenset({"Emphysema"}),
        1.2,
        (
            "no emphysema",
            "the lungs are not hyperinflated, no emphysema",
            "no evidence of emphysema",
        ),
    ),
    Negative(
        frozenset({"Fracture"}),
        2.5,
        (
            "no fracture",
            "no acute rib fracture",
            "the bony thorax is intact without fracture",
            "no displaced fracture is seen",
            "osseous structures are intact",
        ),
    ),
    Negative(
        frozenset({"Hernia"}),
        1,
        (
            "no hiatal hernia",
            "no hernia is seen",
            "no evidence of hiatal hernia",
        ),
    ),
    Negative(
        frozenset({"Support Devices"}),
        1,
        (
            "no support devices",
            "no lines or tubes",
            "there are no support devices or catheters",
        ),
    ),
    Negative(
        frozenset({"Consolidation", "Edema", "Atelectasis", "Nodule", "Mass"}),
        4,
        (
            "the lungs are clear",
            "lungs are clear bilaterally",
            "both lungs are clear and expanded",
            "clear lungs",
        ),
        belies=frozenset({"Pneumothorax", "Pleural Effusion"}),
    ),
)
