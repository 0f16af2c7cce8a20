"""Findings as Open-I codes them: MeSH terms with qualifiers behind slashes."""

from collections.abc import Sequence

import numpy as np

from cxr_clip.synthetic.pathology import FindingInstance

_TERMS = {
    "Cardiomegaly": "Cardiomegaly",
    "Pleural Effusion": "Pleural Effusion",
    "Pneumothorax": "Pneumothorax",
    "Consolidation": "Consolidation/lung",
    "Edema": "Pulmonary Edema",
    "Atelectasis": "Pulmonary Atelectasis",
    "Nodule": "Nodule/lung",
    "Mass": "Mass/lung",
    "Fracture": "Fractures, Bone",
    "Hernia": "Hernia, Hiatal",
}
_DEVICES = {
    "pacemaker": "Implanted Medical Device",
    "central line": "Catheters, Indwelling",
    "picc": "Catheters, Indwelling",
    "port": "Catheters, Indwelling",
    "sternal wires": "Medical Device/thorax",
    "endotracheal tube": "Tube, Inserted/trachea",
    "enteric tube": "Tube, Inserted/abdomen",
}


def mesh_terms(findings: Sequence[FindingInstance], rng: np.random.Generator) -> list[str]:
    """The major terms of a study: what is surely there, or "normal"."""
    terms = [mesh_term(f, rng) for f in findings if f.is_sure]
    return terms or ["normal"]


def mesh_term(f: FindingInstance, rng: np.random.Generator) -> str:
    """One finding as a term, such as "Pleural Effusion/right/small"."""
    if f.name == "Support Devices":
        return _joined(_DEVICES[f.kind or "pacemaker"], (f.side,))
    if f.name == "Emphysema":
        return _joined("Pulmonary Emphysema" if rng.random() < 0.5 else "Emphysema", (f.severity,))
    return _joined(_TERMS[f.name], _qualifiers(f))


def _qualifiers(f: FindingInstance) -> tuple[str | None, ...]:
    """Place, side and severity in the order and to the extent that the collection codes them."""
    match f.name:
        case "Fracture":
            return f.kind, f.side, "multiple" if f.kind == "ribs" else None
        case "Cardiomegaly" | "Hernia":
            return (f.severity,)
        case "Edema":
            return "interstitial" if f.kind == "interstitial" else "pulmonary alveoli", f.severity
        case "Nodule" if f.kind == "multiple":
            return "bilateral", "multiple"
    side = None if f.location == "lingula" else f.side
    sized = f.name in ("Pleural Effusion", "Pneumothorax", "Nodule", "Mass") and f.severity != "moderate"
    return f.location, side, f.severity if sized else None


def _joined(term: str, qualifiers: tuple[str | None, ...]) -> str:
    return "/".join([term, *(q for q in qualifiers if q is not None)])
