"""Answers of a model and DICOM files that name a patient, to write in the standards of the field."""

from datetime import UTC, datetime
from pathlib import Path

from cxr_clip.calibration import Answer, Probability
from cxr_clip.classify import Classification, FindingScore
from cxr_clip.standards.results import Reported, Results
from cxr_clip.standards.sources import read_source
from support_dicom import dicom

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SECRETS = {
    "PatientID": "SECRET-17",
    "PatientName": "Doe^Jane",
    "PatientBirthDate": "19501231",
    "PatientSex": "F",
    "AccessionNumber": "A-4711",
    "StudyID": "S-99",
    "StudyDate": "20200102",
    "StudyTime": "030405",
    "ReferringPhysicianName": "House^Gregory",
}
CALIBRATED = FindingScore("Pleural Effusion", 0.0123, Probability(0.625, 0.5, 0.75), Answer.POSITIVE)
FINDINGS = (
    CALIBRATED,
    FindingScore("Edema", -0.02, Probability(0.1, 0.05, 0.2), Answer.NEGATIVE),
    FindingScore("Cardiomegaly", 0.004, Probability(0.5, 0.4, 0.6), Answer.UNDECIDED),
    FindingScore("Hernia", -0.3, Probability(0.01, 0.001, 0.02), Answer.UNLIKE_EITHER),
    FindingScore("Pneumothorax", 0.25),
    FindingScore("The heart is large & <round>, and this sentence is longer than sixty-four characters.", 0.31),
)


def dicom_file(path: Path, *, study: str = "1.2.826.0.1.17", number: int = 1, **values: str) -> Path:
    """A DICOM image of a study, with a patient in its header."""
    header = {**SECRETS, "StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", **values}
    path.write_bytes(dicom(SOPInstanceUID=f"{study}.1.{number}", **header))
    return path


def results_for(
    *images: Path, findings: tuple[FindingScore, ...] = FINDINGS, abstained: tuple[str, ...] = ()
) -> Results:
    """One answer for each image."""
    answer = Classification("", 1, () if abstained else findings, abstained)
    reported = tuple(Reported(answer, (read_source(image),)) for image in images)
    return Results("openi", "ab" * 32, MOMENT, reported, version="1.2.3")
