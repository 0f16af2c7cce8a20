"""Answers as a DICOM structured report: a Comprehensive SR by TID 1500 that refers to the images it is of.

The only module that knows highdicom (the extra `standards`). Patient and study data of the headers come along on
request only; the numbers by which study and images are found always do, as a report is nothing without them.
Sources: PS3.3 A.35.3 (Comprehensive SR), PS3.16 TID 1500, TID 1501, TID 4019.
"""

import io
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from cxr_clip.calibration import Answer
from cxr_clip.classify import FindingScore
from cxr_clip.errors import MissingPackageError, StandardsError
from cxr_clip.standards.codes import CHEST_X_RAY, FINDING_CODES, RESEARCH_ONLY
from cxr_clip.standards.codes import Code as Concept
from cxr_clip.standards.results import SOFTWARE, Reported, Results, instances_of
from cxr_clip.standards.sources import KEPT, Instance

# Concepts that no scheme has; a scheme of one's own begins with 99.
OWN_SCHEME = "99CXRCLIP"
_LONGEST_MEANING = 64
PROBABILITY = Concept("DCM", "122157", "Probability")
LOW = Concept(OWN_SCHEME, "PROBABILITY-LOW", "Lower end of the 95 % interval of the probability")
HIGH = Concept(OWN_SCHEME, "PROBABILITY-HIGH", "Upper end of the 95 % interval of the probability")
SIMILARITY = Concept(OWN_SCHEME, "SIMILARITY", "Similarity, not a probability")
ANSWER = Concept(OWN_SCHEME, "ANSWER", "Calibrated answer")
USE = Concept(OWN_SCHEME, "USE", "Use")
RESEARCH = Concept(OWN_SCHEME, "RESEARCH-ONLY", RESEARCH_ONLY)
ABSTAINED = Concept(OWN_SCHEME, "ABSTAINED", "The model abstains: unlike a chest X-ray it knows")
IMAGE = Concept(OWN_SCHEME, "IMAGE", "Image as a whole")
_ANSWERS = {
    Answer.POSITIVE: Concept("SCT", "10828004", "Positive"),
    Answer.NEGATIVE: Concept("SCT", "260385009", "Negative"),
    Answer.UNDECIDED: Concept("SCT", "82334004", "Indeterminate"),
    Answer.UNLIKE_EITHER: Concept(OWN_SCHEME, "UNLIKE-EITHER", "Unlike either class"),
}


def highdicom() -> ModuleType:
    """The package. Raises MissingPackageError."""
    try:
        import highdicom as package
        import highdicom.sr
    except ImportError as error:
        raise MissingPackageError('DICOM SR needs highdicom: pip install "cxr-clip[standards]"') from error
    return package  # type: ignore[no-any-return]


def structured_report(results: Results, *, with_identifiers: bool = False) -> bytes:
    """The report as a DICOM file.

    Raises StandardsError where an image is no DICOM file with valid numbers or the images are of several studies,
    and MissingPackageError.
    """
    package = highdicom()
    instances = of_one_study(instances_of(results))
    # What differs in its patient is another instance, in another series.
    kind = ("with identifiers",) if with_identifiers else ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names in headers that stray from the standard
        evidence = [_evidence(one, with_identifiers=with_identifiers) for one in instances]
        report = package.sr.ComprehensiveSR(
            evidence=evidence,
            content=_content(results),
            series_instance_uid=_uid(results, "series", *kind),
            series_number=1,
            series_description=RESEARCH_ONLY,
            sop_instance_uid=_uid(results, "report", *kind),
            instance_number=1,
            manufacturer=SOFTWARE,
            manufacturer_model_name=_short(results.model),
            software_versions=results.version,
            specific_character_set="ISO_IR 192",
        )
        _date(report, results)
        report.CodingSchemeIdentificationSequence = [_own_scheme()]
        file = io.BytesIO()
        report.save_as(file)
    return file.getvalue()


def _content(results: Results) -> Any:
    sr = highdicom().sr
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=_uid(results, "device"), name=f"{SOFTWARE}. {RESEARCH_ONLY}", model_name=results.model
    )
    observer = sr.ObserverContext(_code(Concept("DCM", "121007", "Device")), device)
    groups = [group for number, one in enumerate(results.reported) for group in _groups(results, one, name=str(number))]
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=_code(CHEST_X_RAY),
        imaging_measurements=groups,
    )


def _groups(results: Results, one: Reported, *, name: str) -> list[Any]:
    """A group of measurements for each finding; where the model abstains, one group that says so."""
    sr = highdicom().sr
    images = [sr.SourceImageForMeasurementGroup(image.kind, image.image) for image in one.instances]

    def group(
        title: str, kind: Concept, measurements: Sequence[Any], answers: Sequence[tuple[Concept, Concept]]
    ) -> Any:
        return sr.MeasurementsAndQualitativeEvaluations(
            tracking_identifier=sr.TrackingIdentifier(_uid(results, "group", name, title), title),
            finding_type=_code(kind),
            algorithm_id=_algorithm(results),
            measurements=measurements or None,
            qualitative_evaluations=[
                sr.QualitativeEvaluation(_code(what), _code(value)) for what, value in ((USE, RESEARCH), *answers)
            ],
            source_images=images,
        )

    if one.answer.abstained:
        return [group("abstained", IMAGE, [], [(ANSWER, ABSTAINED)])]
    return [
        group(finding.finding, _kind(finding.finding, number), _measurements(finding), _answer(finding))
        for number, finding in enumerate(one.answer.findings, start=1)
    ]


def _measurements(finding: FindingScore) -> list[Any]:
    sr, none = highdicom().sr, _code(Concept("UCUM", "1", "no units"))
    values = [(SIMILARITY, finding.score)]
    if finding.probability is not None:
        values += zip((PROBABILITY, LOW, HIGH), finding.probability, strict=True)
    return [sr.Measurement(_code(what), round(value, 6), none) for what, value in values]


def _answer(finding: FindingScore) -> list[tuple[Concept, Concept]]:
    return [] if finding.answer is None else [(ANSWER, _ANSWERS[finding.answer])]


def _algorithm(results: Results) -> Any:
    parameters = [f"model {results.model}", f"fingerprint {results.fingerprint}", RESEARCH_ONLY]
    return highdicom().sr.AlgorithmIdentification(f"{SOFTWARE} zero-shot", results.version, parameters)


def _kind(finding: str, number: int) -> Concept:
    """The concept of a finding; a name without a code and a sentence get one of our scheme."""
    return FINDING_CODES.get(finding) or Concept(OWN_SCHEME, f"FINDING-{number}", _short(finding))


def _code(concept: Concept) -> Any:
    return highdicom().sr.CodedConcept(concept.value, concept.scheme, concept.meaning)


def _short(words: str) -> str:
    return words if len(words) <= _LONGEST_MEANING else f"{words[: _LONGEST_MEANING - 1]}…"


def _evidence(instance: Instance, *, with_identifiers: bool) -> Any:
    """What a report takes up of an image's header."""
    from pydicom.dataset import Dataset

    dataset, said = Dataset(), dict(instance.said)
    for name in KEPT:
        setattr(dataset, name, said.get(name, "") if with_identifiers else "")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = instance.study, instance.series
    dataset.SOPInstanceUID, dataset.SOPClassUID = instance.image, instance.kind
    return dataset


def of_one_study(instances: Sequence[Instance]) -> Sequence[Instance]:
    """The images, which are of one study. Raises StandardsError where they are not."""
    studies = len({one.study for one in instances})
    if studies != 1:
        raise StandardsError(f"the images are of {studies} studies, a structured report is of one: give one at a time")
    return instances


def _date(report: Any, results: Results) -> None:
    """The moment of the answers in the place of the clock's."""
    day, time = results.moment.strftime("%Y%m%d"), results.moment.strftime("%H%M%S")
    report.ContentDate, report.ContentTime = day, time
    report.InstanceCreationDate, report.InstanceCreationTime = day, time
    report.SeriesDate, report.SeriesTime = day, time
    report.TimezoneOffsetFromUTC = results.moment.strftime("%z")


def _own_scheme() -> Any:
    from pydicom.dataset import Dataset

    scheme = Dataset()
    scheme.CodingSchemeDesignator = OWN_SCHEME
    scheme.CodingSchemeName = f"{SOFTWARE}: similarities, calibrated answers, findings without a code"
    scheme.CodingSchemeResponsibleOrganization = SOFTWARE
    return scheme


def _uid(results: Results, *parts: str) -> str:
    """A UID derived from a UUID (PS3.5 B.2)."""
    return f"2.25.{results.number(*parts).int}"
