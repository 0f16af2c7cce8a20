"""What an automatic labeller would say of a made-up study in the 14 findings of CheXpert: 1, 0, -1 or nothing."""

from collections.abc import Mapping

import numpy as np

from cxr_clip.synthetic.pathology import FindingInstance

# The findings of CheXpert that a made-up one shows; emphysema and hernia are among none of the 14.
_CODED: Mapping[str, tuple[str, ...]] = {
    "Atelectasis": ("Atelectasis",),
    "Cardiomegaly": ("Cardiomegaly",),
    "Consolidation": ("Consolidation", "Lung Opacity"),
    "Edema": ("Edema",),
    "Fracture": ("Fracture",),
    "Mass": ("Lung Lesion",),
    "Nodule": ("Lung Lesion",),
    "Pleural Effusion": ("Pleural Effusion",),
    "Pneumothorax": ("Pneumothorax",),
    "Support Devices": ("Support Devices",),
}
# How often a report denies a finding that is absent.
_DENIED: Mapping[str, float] = {
    "Pneumothorax": 0.5,
    "Pleural Effusion": 0.45,
    "Consolidation": 0.3,
    "Cardiomegaly": 0.2,
    "Edema": 0.2,
    "Pneumonia": 0.2,
    "Enlarged Cardiomediastinum": 0.1,
    "Fracture": 0.05,
}
POSITIVE, NEGATIVE, UNCERTAIN = 1, 0, -1


def chexpert_labels(findings: tuple[FindingInstance, ...], rng: np.random.Generator) -> dict[str, int]:
    """The labels of a study: 1 present, -1 doubtful, 0 denied; a finding that is not spoken of has no entry.

    "No Finding" is 1 where nothing is there but devices.
    """
    labels: dict[str, int] = {}
    for finding in sorted(findings, key=lambda finding: finding.is_sure):
        labels |= dict.fromkeys(_CODED.get(finding.name, ()), POSITIVE if finding.is_sure else UNCERTAIN)
    if all(finding.name == "Support Devices" for finding in findings):
        labels["No Finding"] = POSITIVE
    for name, share in _DENIED.items():
        if rng.random() < share:
            labels.setdefault(name, NEGATIVE)
    return labels


def label_text(labels: Mapping[str, int], name: str) -> str:
    """A label as it stands in a cell: "1.0", "0.0", "-1.0" or nothing."""
    return f"{labels[name]:.1f}" if name in labels else ""
