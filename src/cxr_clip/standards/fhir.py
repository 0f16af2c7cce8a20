"""Answers as HL7 FHIR R4: a Bundle with a DiagnosticReport for each answer, an Observation for each finding, a Device.

Everything is preliminary, labelled as health research (HRESCH), and says in words that it is for research only.
Sources: hl7.org/fhir/R4/diagnosticreport.html, observation.html, device.html, datatypes.html.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cxr_clip.calibration import Answer
from cxr_clip.classify import SIMILARITY, FindingScore
from cxr_clip.errors import StandardsError
from cxr_clip.standards.codes import CHEST_X_RAY, FINDING_CODES, RESEARCH_ONLY, Code
from cxr_clip.standards.results import SOFTWARE, Reported, Results, instances_of
from cxr_clip.standards.sources import Instance

Resource = dict[str, Any]
_TERMS = "http://terminology.hl7.org/CodeSystem"
_RESEARCH = {"security": [{"system": f"{_TERMS}/v3-ActReason", "code": "HRESCH", "display": "healthcare research"}]}
_INTERPRETATIONS: Mapping[Answer, tuple[str, str]] = {
    Answer.POSITIVE: ("POS", "Positive"),
    Answer.NEGATIVE: ("NEG", "Negative"),
    Answer.UNDECIDED: ("IND", "Indeterminate"),
}
_PROBABILITY = "probability, calibrated on validation studies"


def fhir_bundle(results: Results, *, with_identifiers: bool = False) -> str:
    """The Bundle as JSON.

    `with_identifiers` takes patient and study from the DICOM headers; without it nothing refers to either. Raises
    StandardsError where they are asked for and an image has none.
    """
    if with_identifiers:
        instances_of(results)
    device = _device(results)
    resources = [device]
    for number, one in enumerate(results.reported):
        about = _identifiers(one.instances) if with_identifiers else {}
        resources += _report_with_findings(results, one, str(number), device=device, about=about)
    bundle = {
        "resourceType": "Bundle",
        "id": str(results.number("bundle")),
        "meta": _RESEARCH,
        "type": "collection",
        "timestamp": results.moment.isoformat(),
        "entry": [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in resources],
    }
    return json.dumps(bundle, indent=2, ensure_ascii=False) + "\n"


def _report_with_findings(
    results: Results, one: Reported, name: str, *, device: Resource, about: Resource
) -> list[Resource]:
    """The report of one answer, and before it an observation for each finding."""
    observations = [
        _observation(results, finding, f"{name}/{number}", device=device, about=about)
        for number, finding in enumerate(one.answer.findings)
    ]
    reasons = "; ".join(one.answer.abstained)
    words = f"{RESEARCH_ONLY}." + (f" The model abstains: {reasons}." if reasons else "")
    report: Resource = {
        "resourceType": "DiagnosticReport",
        "id": str(results.number("report", name)),
        "meta": _RESEARCH,
        "identifier": [_digest(source.sha256) for source in one.sources],
        "status": "preliminary",
        "category": [_concept("imaging", f"{_TERMS}/v2-0074", "IMG", "Diagnostic Imaging")],
        "code": _coded(CHEST_X_RAY, f"Chest X-ray, findings by a model. {RESEARCH_ONLY}"),
        "issued": results.moment.isoformat(),
        "conclusion": words,
        **about,
    }
    if observations:
        report["result"] = [_reference(observation) for observation in observations]
    return [*observations, report]


def _observation(results: Results, finding: FindingScore, name: str, *, device: Resource, about: Resource) -> Resource:
    similarity = _quantity(finding.score, SIMILARITY)
    observation: Resource = {
        "resourceType": "Observation",
        "id": str(results.number("observation", name)),
        "meta": _RESEARCH,
        "status": "preliminary",
        "category": [_concept("imaging", f"{_TERMS}/observation-category", "imaging", "Imaging")],
        "code": _coded(FINDING_CODES.get(finding.finding), finding.finding),
        **{key: value for key, value in about.items() if key == "subject"},
        "issued": results.moment.isoformat(),
        "note": [{"text": f"{RESEARCH_ONLY}."}],
        "device": _reference(device),
    }
    if finding.probability is None:
        return {**observation, "valueQuantity": similarity, "method": {"text": SIMILARITY}}
    value, low, high = finding.probability
    return {
        **observation,
        "valueQuantity": _quantity(value, "probability"),
        "method": {"text": _PROBABILITY},
        **({"interpretation": [_interpretation(finding.answer)]} if finding.answer is not None else {}),
        "component": [
            {"code": {"text": "lower end of the 95 % interval"}, "valueQuantity": _quantity(low, "probability")},
            {"code": {"text": "upper end of the 95 % interval"}, "valueQuantity": _quantity(high, "probability")},
            {"code": {"text": "similarity"}, "valueQuantity": similarity},
        ],
    }


def _device(results: Results) -> Resource:
    """The software, with its version and the fingerprint of the model's weights and settings."""
    versions = {"software": results.version, "model": results.model, "fingerprint of the model": results.fingerprint}
    return {
        "resourceType": "Device",
        "id": str(results.number("device")),
        "meta": _RESEARCH,
        "identifier": [_digest(results.fingerprint)],
        "status": "active",
        "deviceName": [{"name": SOFTWARE, "type": "user-friendly-name"}],
        "type": {"text": "software"},
        "version": [{"type": {"text": what}, "value": value} for what, value in versions.items()],
        "note": [{"text": f"{RESEARCH_ONLY}."}],
    }


def _identifiers(instances: Sequence[Instance]) -> Resource:
    """The patient, where one is named, and the studies, by the numbers of their headers. Raises StandardsError."""
    patients = sorted({one.patient for one in instances if one.patient})
    studies = sorted({one.study for one in instances})
    if len(patients) > 1:
        raise StandardsError(
            f"the images of one study name {len(patients)} patients: check which of them belong together"
        )
    number = {"type": {"text": "DICOM Patient ID"}}
    subjects = [{"type": "Patient", "identifier": {**number, "value": patient}} for patient in patients]
    return {
        **({"subject": subjects[0]} if subjects else {}),
        "imagingStudy": [
            {"type": "ImagingStudy", "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{study}"}}
            for study in studies
        ],
    }


def _interpretation(answer: Answer) -> Resource:
    """The calibrated answer; "unlike either" has no code."""
    if answer not in _INTERPRETATIONS:
        return {"text": str(answer)}
    return _concept(str(answer), f"{_TERMS}/v3-ObservationInterpretation", *_INTERPRETATIONS[answer])


def _coded(code: Code | None, words: str) -> Resource:
    return {"text": words} if code is None else _concept(words, code.system, code.value, code.meaning)


def _concept(words: str, system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": words}


def _quantity(value: float, unit: str) -> Resource:
    """A number without a unit of measure (UCUM "1"), which `unit` names."""
    return {"value": round(value, 6), "unit": unit, "system": "http://unitsofmeasure.org", "code": "1"}


def _digest(sha256: str) -> Resource:
    """A SHA-256 as a name by RFC 6920."""
    short = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return {"system": "urn:ietf:rfc:3986", "value": f"ni:///sha-256;{short}"}


def _reference(resource: Resource) -> Resource:
    return {"reference": f"urn:uuid:{resource['id']}"}
