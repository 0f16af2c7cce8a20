"""Whole sentences that belong to one finding, or to one kind of it."""

from collections.abc import Mapping

import numpy as np

from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.phrases import pick, region, sentence, size_of


def remark(f: FindingInstance, rng: np.random.Generator) -> str | None:
    """A full sentence that only this finding has, or None for a kind without one."""
    keys = (f.kind, f"{f.side} {f.name}", f.name)
    options = next((_REMARKS[key] for key in keys if key in _REMARKS), None)
    if options is None:
        return None
    return sentence(pick(rng, options).format(side=f.side, region=region(f), severity=f.severity, size=size_of(f)))


_REMARKS: Mapping[str | None, tuple[str, ...]] = {
    "Cardiomegaly": (
        "the heart is enlarged, {severity} in degree",
        "the cardiac silhouette is {severity}ly enlarged",
        "heart size is {severity}ly enlarged, in keeping with cardiomegaly",
        "{severity} cardiomegaly with an increased cardiothoracic ratio",
    ),
    "Pleural Effusion": (
        "blunting of the {side} costophrenic angle from a {severity} effusion",
        "a {severity} amount of {side} pleural fluid with a meniscus",
        "{side} pleural fluid is present, {severity} in amount",
    ),
    "bilateral Pleural Effusion": (
        "blunting of both costophrenic angles from {severity} effusions",
        "{severity} amounts of pleural fluid with a meniscus on both sides",
        "bilateral pleural fluid is present, {severity} in amount",
    ),
    "Pneumothorax": (
        "a visceral pleural line is seen on the {side}, indicating {severity} pneumothorax",
        "the {side} lung is partially collapsed by a {severity} pneumothorax",
        "{severity} pneumothorax on the {side} without vascular markings beyond the pleural line",
    ),
    "Consolidation": (
        "airspace opacity with air bronchograms in the {region} consistent with consolidation",
        "the {region} is consolidated",
        "confluent opacity in the {region}, concerning for pneumonia with consolidation",
    ),
    "Edema": (
        "perihilar haze and indistinct vessels in keeping with {severity} pulmonary edema",
        "vascular congestion with {severity} edema in both lungs",
        "bilateral perihilar opacities reflect {severity} pulmonary edema",
    ),
    "linear": (
        "bandlike opacities in the {region} are consistent with atelectasis",
        "low volumes with {severity} atelectasis in the {region}",
        "streaky opacity in the {region}, atelectasis",
    ),
    "lobar": (
        "volume loss with opacification of the {region}, lobar atelectasis",
        "the {region} is collapsed, with elevation of the fissure",
    ),
    "single": (
        "a rounded nodule measuring about {size} projects over the {region}",
        "there is a {size} nodular opacity in the {region}",
    ),
    "multiple": (
        "multiple rounded nodules are scattered through both lungs",
        "bilateral pulmonary nodules are present",
    ),
    "Mass": (
        "a mass measuring approximately {size} is seen in the {region}",
        "large rounded opacity in the {region} measuring {size}, a pulmonary mass",
    ),
    "Emphysema": (
        "the lungs are hyperinflated with flattened diaphragms, {severity} emphysema",
        "hyperexpanded lucent lungs in keeping with {severity} emphysema",
        "flattening of the diaphragm and attenuated vessels, emphysema",
    ),
    "ribs": (
        "several {side} ribs are fractured with displacement",
        "displaced fractures involve adjacent {side} ribs",
        "cortical step-off of multiple {side} ribs, consistent with fracture",
    ),
    "clavicle": (
        "the {side} clavicle is fractured in its middle third with overriding fragments",
        "displaced fracture of the {side} clavicle",
    ),
    "Hernia": (
        "a retrocardiac opacity with an air-fluid level represents a {severity} hiatal hernia",
        "rounded retrocardiac density consistent with {severity} hiatal hernia",
    ),
    "pacemaker": (
        "a pacemaker overlies the {side} chest with leads in the right atrium and right ventricle",
        "{side}-sided cardiac pacemaker generator with two intact leads",
    ),
    "central line": ("a {side} jugular catheter ends in the superior vena cava",),
    "picc": ("the tip of a {side} PICC projects over the superior vena cava",),
    "port": ("a {side} chest port catheter ends near the cavoatrial junction",),
    "sternal wires": (
        "intact median sternotomy wires and surgical clips",
        "the patient is status post sternotomy, wires are aligned",
    ),
    "endotracheal tube": ("the endotracheal tube ends above the carina",),
    "enteric tube": ("an enteric tube passes below the diaphragm into the stomach",),
}
