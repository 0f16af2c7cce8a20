"""A structured report, read back with pydicom alone: values, codes and references as they were given."""

import io
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage

from cxr_clip.errors import MissingPackageError, StandardsError
from cxr_clip.standards.codes import RESEARCH_ONLY
from cxr_clip.standards.dicom_sr import structured_report
from support_data import made_up_picture
from support_results import FINDINGS, SECRETS, dicom_file, results_for


def read(data: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(data))


def concept(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def children(item: Dataset, name: str) -> Iterator[Dataset]:
    return (one for one in item.get("ContentSequence", ()) if concept(one) == name)


def groups(report: Dataset) -> list[Dataset]:
    (measurements,) = children(report, "Imaging Measurements")
    return list(children(measurements, "Measurement Group"))


def numbers(group: Dataset) -> dict[str, float]:
    items = (one for one in group.ContentSequence if one.ValueType == "NUM")
    return {concept(one): float(one.MeasuredValueSequence[0].NumericValue) for one in items}


def answers(group: Dataset) -> dict[str, str]:
    codes = (one for one in group.ContentSequence if one.ValueType == "CODE")
    return {concept(one): str(one.ConceptCodeSequence[0].CodeMeaning) for one in codes}


def test_every_value_is_read_back(tmp_path: Path) -> None:
    report = read(structured_report(results_for(dicom_file(tmp_path / "a.dcm"))))
    assert report.SOPClassUID == report.file_meta.MediaStorageSOPClassUID == ComprehensiveSRStorage
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    found = groups(report)
    assert [next(children(one, "Tracking Identifier")).TextValue for one in found] == [one.finding for one in FINDINGS]
    for group, finding in zip(found, FINDINGS, strict=True):
        value, low, high = finding.probability or (None, None, None)
        expected = {
            "Similarity, not a probability": finding.score,
            "Probability": value,
            "Lower end of the 95 % interval of the probability": low,
            "Upper end of the 95 % interval of the probability": high,
        }
        assert numbers(group) == {name: number for name, number in expected.items() if number is not None}
    said = [answers(group).get("Calibrated answer") for group in found]
    assert said == ["Positive", "Negative", "Indeterminate", "Unlike either class", None, None]
    kinds = [next(children(group, "Finding")).ConceptCodeSequence[0] for group in found]
    assert [kind.CodeValue for kind in kinds] == [
        "60046008",
        "19242006",
        "8186001",
        "FINDING-4",
        "36118008",
        "FINDING-6",
    ]
    assert kinds[5].CodingSchemeDesignator == "99CXRCLIP"
    assert len(kinds[5].CodeMeaning) == 64


def test_it_is_preliminary_unverified_and_for_research_only(tmp_path: Path) -> None:
    report = read(structured_report(results_for(dicom_file(tmp_path / "a.dcm"))))
    assert (report.CompletionFlag, report.VerificationFlag, report.PreliminaryFlag) == (
        "PARTIAL",
        "UNVERIFIED",
        "PRELIMINARY",
    )
    assert report.SeriesDescription == RESEARCH_ONLY
    assert {answers(group)["Use"] for group in groups(report)} == {RESEARCH_ONLY}
    assert (report.ContentDate, report.ContentTime, report.SoftwareVersions) == ("20260304", "050607", "1.2.3")


def test_it_refers_to_the_image_and_its_study(tmp_path: Path) -> None:
    images = [dicom_file(tmp_path / f"{number}.dcm", number=number) for number in (1, 2)]
    report = read(structured_report(results_for(*images)))
    assert report.StudyInstanceUID == "1.2.826.0.1.17"
    assert report.SeriesInstanceUID != "1.2.826.0.1.17.1"
    series = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    named = {item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence}
    assert named == {"1.2.826.0.1.17.1.1", "1.2.826.0.1.17.1.2"}
    sources = [next(item for item in one.ContentSequence if item.ValueType == "IMAGE") for one in groups(report)]
    of_groups = [one.ReferencedSOPSequence[0] for one in sources]
    assert [one.ReferencedSOPInstanceUID[-1] for one in of_groups] == ["1"] * len(FINDINGS) + ["2"] * len(FINDINGS)


def test_patient_and_study_come_along_on_request_only(tmp_path: Path) -> None:
    results = results_for(dicom_file(tmp_path / "a.dcm"))
    plain, asked = structured_report(results), structured_report(results, with_identifiers=True)
    for name, value in SECRETS.items():
        assert str(read(asked).get(name)) == value
        assert not read(plain).get(name)
        assert name == "PatientSex" or value.encode() not in plain


def test_reports_that_differ_are_not_the_same_instance(tmp_path: Path) -> None:
    results = results_for(dicom_file(tmp_path / "a.dcm"))
    reports = [read(structured_report(results, with_identifiers=asked)) for asked in (False, True, True)]
    for name in ("SOPInstanceUID", "SeriesInstanceUID"):
        plain, named, again = (str(report.get(name)) for report in reports)
        assert plain != named == again


def test_where_the_model_abstains_one_group_says_so(tmp_path: Path) -> None:
    results = results_for(dicom_file(tmp_path / "a.dcm"), abstained=("hardly any contrast",))
    (group,) = groups(read(structured_report(results)))
    assert answers(group)["Calibrated answer"].startswith("The model abstains")
    assert numbers(group) == {}


def test_what_is_no_dicom_file_of_one_study_is_refused(tmp_path: Path) -> None:
    Image.fromarray(made_up_picture(1)).save(tmp_path / "a.png")
    first, second = dicom_file(tmp_path / "a.dcm"), dicom_file(tmp_path / "b.dcm", study="1.2.3.4")
    nameless = dicom_file(tmp_path / "c.dcm", StudyInstanceUID="")
    for image in (tmp_path / "a.png", nameless):
        with pytest.raises(StandardsError, match="image 1 is no DICOM file with valid Study"):
            structured_report(results_for(image))
    with pytest.raises(StandardsError, match="the images are of 2 studies"):
        structured_report(results_for(first, second))


def test_without_highdicom_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "highdicom", None)
    with pytest.raises(MissingPackageError, match=r'pip install "cxr-clip\[standards\]"'):
        structured_report(results_for(dicom_file(tmp_path / "a.dcm")))
