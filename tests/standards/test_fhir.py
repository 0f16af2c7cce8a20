"""Answers as FHIR: a second reader takes them, every value is there, and no patient unless asked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from PIL import Image

from cxr_clip.errors import StandardsError
from cxr_clip.standards.codes import RESEARCH_ONLY
from cxr_clip.standards.fhir import fhir_bundle
from support_data import made_up_picture
from support_results import FINDINGS, SECRETS, dicom_file, results_for


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "doe_jane.png"
    Image.fromarray(made_up_picture(1)).save(path)
    return path


def resources(bundle: str, kind: str) -> list[Any]:
    """The resources of a kind, as fhir.resources read them."""
    return [
        entry.resource
        for entry in Bundle.model_validate_json(bundle).entry
        if entry.resource.get_resource_type() == kind
    ]


def quantities(observation: Any) -> Iterator[tuple[str, float]]:
    yield observation.valueQuantity.unit, float(observation.valueQuantity.value)
    for component in observation.component or ():
        yield component.code.text, float(component.valueQuantity.value)


def test_each_finding_is_an_observation_of_what_was_measured(picture: Path) -> None:
    bundle = fhir_bundle(results_for(picture))
    observations = resources(bundle, "Observation")
    assert [one.code.text for one in observations] == [finding.finding for finding in FINDINGS]
    effusion, pneumothorax = dict(quantities(observations[0])), dict(quantities(observations[4]))
    assert effusion == {
        "probability": 0.625, "lower end of the 95 % interval": 0.5, "upper end of the 95 % interval": 0.75,
        "similarity": 0.0123,
    }  # fmt: skip
    assert pneumothorax == {"similarity, not a probability": 0.25}
    said = [one.interpretation[0].text if one.interpretation else None for one in observations]
    assert said == ["positive", "negative", "undecided", "unlike either", None, None]
    coded = [one.interpretation[0].coding for one in observations[:4]]
    assert [one[0].code if one else None for one in coded] == ["POS", "NEG", "IND", None]
    codes = [one.code.coding[0].code if one.code.coding else None for one in observations]
    assert codes == ["60046008", "19242006", "8186001", None, "36118008", None]


def test_everything_is_preliminary_and_for_research_only(picture: Path) -> None:
    bundle = fhir_bundle(results_for(picture, picture))
    reports, observations = resources(bundle, "DiagnosticReport"), resources(bundle, "Observation")
    (device,) = resources(bundle, "Device")
    assert len(reports) == 2
    assert {one.status for one in (*reports, *observations)} == {"preliminary"}
    assert {one.category[0].text for one in (*reports, *observations)} == {"imaging"}
    assert all(RESEARCH_ONLY in one.conclusion and RESEARCH_ONLY in one.code.text for one in reports)
    assert all(RESEARCH_ONLY in one.note[0].text for one in (device, *observations))
    assert {one.meta.security[0].code for one in (device, *reports, *observations)} == {"HRESCH"}
    versions = {one.type.text: one.value for one in device.version}
    assert versions == {"software": "1.2.3", "model": "openi", "fingerprint of the model": "ab" * 32}


def test_all_references_lead_somewhere(picture: Path) -> None:
    bundle = fhir_bundle(results_for(picture))
    read = Bundle.model_validate_json(bundle)
    addresses = [entry.fullUrl for entry in read.entry]
    assert len(set(addresses)) == len(addresses)
    (report,), (device,) = resources(bundle, "DiagnosticReport"), resources(bundle, "Device")
    assert [one.reference for one in report.result] == [
        f"urn:uuid:{one.id}" for one in resources(bundle, "Observation")
    ]
    assert {one.device.reference for one in resources(bundle, "Observation")} == {f"urn:uuid:{device.id}"}


def test_no_patient_and_no_file_name_stand_in_it_unless_asked(tmp_path: Path, picture: Path) -> None:
    image = dicom_file(tmp_path / "doe.dcm")
    plain = fhir_bundle(results_for(image, picture))
    for secret in (*SECRETS.values(), "1.2.826.0.1.17", "doe"):
        assert f'"{secret}' not in plain
        assert len(secret) < 4 or secret not in plain
    assert not {"subject", "imagingStudy"} & set(json.dumps(json.loads(plain)).replace('"', " ").split())
    asked = fhir_bundle(results_for(image), with_identifiers=True)
    (report,) = resources(asked, "DiagnosticReport")
    assert report.subject.identifier.value == "SECRET-17"
    assert report.imagingStudy[0].identifier.value == "urn:oid:1.2.826.0.1.17"
    assert {one.subject.identifier.value for one in resources(asked, "Observation")} == {"SECRET-17"}
    for name in ("Doe^Jane", "19501231", "A-4711"):
        assert name not in asked


def test_identifiers_that_an_image_does_not_have_are_refused(picture: Path) -> None:
    with pytest.raises(StandardsError, match="image 1 is no DICOM file with valid"):
        fhir_bundle(results_for(picture), with_identifiers=True)


def test_an_image_without_a_patient_has_a_study_alone(tmp_path: Path) -> None:
    asked = fhir_bundle(results_for(dicom_file(tmp_path / "a.dcm", PatientID="")), with_identifiers=True)
    (report,) = resources(asked, "DiagnosticReport")
    assert report.subject is None
    assert report.imagingStudy is not None


def test_where_the_model_abstains_the_report_says_so_and_no_finding_stands(picture: Path) -> None:
    bundle = fhir_bundle(results_for(picture, abstained=("hardly any contrast",)))
    (report,) = resources(bundle, "DiagnosticReport")
    assert report.conclusion == f"{RESEARCH_ONLY}. The model abstains: hardly any contrast."
    assert report.result is None
    assert resources(bundle, "Observation") == []


def test_the_same_results_give_the_same_bytes(picture: Path) -> None:
    assert fhir_bundle(results_for(picture)) == fhir_bundle(results_for(picture))
