"""`classify` writes its answers as FHIR and DICOM SR beside what it shows, and refuses before a model is loaded."""

import json
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from fhir.resources.R4B.bundle import Bundle
from PIL import Image

from support_data import made_up_picture
from support_models import tiny_run_folder
from support_results import SECRETS, dicom_file

Command = Callable[..., int]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_run_folder(tmp_path_factory.mktemp("run"), Path("nowhere"))


def test_both_files_say_what_is_shown(
    command: Command, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dicom_file(tmp_path / "doe.dcm")
    options = ("--finding", "Edema", "--finding", "The heart is large.", "--always", "--device", "cpu")
    assert command("classify", run, "doe.dcm", *options, "--json", "--fhir", "a.json", "--dicom-sr", "a.dcm") == 0
    shown = capsys.readouterr()
    scores = [one["score"] for one in json.loads(shown.out)["findings"]]
    entries = Bundle.model_validate_json(Path("a.json").read_text()).entry
    values = [float(one.resource.valueQuantity.value) for one in entries if hasattr(one.resource, "valueQuantity")]
    assert values == pytest.approx(scores, abs=1e-6)
    report = pydicom.dcmread("a.dcm")
    assert report.StudyInstanceUID == "1.2.826.0.1.17"
    for secret in SECRETS.values():
        assert secret == "F" or secret not in shown.out + shown.err + Path("a.json").read_text()


def test_a_study_is_written_with_its_frontal_images_alone(command: Command, run: Path, tmp_path: Path) -> None:
    for number, view in enumerate(("PA", "LL"), start=1):
        dicom_file(tmp_path / f"{number}.dcm", number=number, ViewPosition=view)
    files = ("1.dcm", "2.dcm", "--study", "--fhir", "a.json", "--dicom-sr", "a.dcm")
    assert command("classify", run, *files, "--finding", "Edema", "--always", "--with-identifiers", "--quiet") == 0
    series = pydicom.dcmread("a.dcm").CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert [one.ReferencedSOPInstanceUID for one in series.ReferencedSOPSequence] == ["1.2.826.0.1.17.1.1"]
    assert "SECRET-17" in Path("a.json").read_text()


def test_a_refusal_of_the_model_is_written_without_the_name_of_the_file(
    command: Command, run: Path, tmp_path: Path
) -> None:
    Image.new("L", (60, 60), 9).save(tmp_path / "doe.png")
    assert command("classify", run, "doe.png", "--study", "--finding", "Edema", "--fhir", "a.json", "--quiet") == 3
    written = Path("a.json").read_text()
    assert "The model abstains" in written
    assert "doe" not in written


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("a.png", "--dicom-sr", "a.dcm"), "image 1 is no DICOM file with valid Study"),
        (("a.png", "--fhir", "a.json", "--with-identifiers"), "image 1 is no DICOM file with valid Study"),
        (("a.png", "--with-identifiers"), "--with-identifiers has no effect"),
        (("1.dcm", "2.dcm", "--dicom-sr", "a.dcm"), "the images are of 2 studies"),
        (("absent.dcm", "--dicom-sr", "a.dcm"), "absent.dcm cannot be read"),
        (("a.png", "--fhir", "."), "is a folder: give the name of a file"),
        (("a.png", "--fhir", "a.png/chest.json"), "chest.json cannot be written, as"),
        (("a.png", "--fhir", "a.png"), "would replace a file that is read or written here"),
        (("1.dcm", "--dicom-sr", "linked.dcm"), "would replace a file that is read or written here"),
        (("1.dcm", "--dicom-sr", "both", "--fhir", "both"), "would replace a file that is read or written here"),
    ],
)
def test_what_cannot_be_written_is_refused_before_a_model_is_asked(
    command: Command, arguments: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(made_up_picture(1)).save(tmp_path / "a.png")
    for number in (1, 2):
        dicom_file(tmp_path / f"{number}.dcm", study=f"1.2.{number}")
    (tmp_path / "linked.dcm").symlink_to("1.dcm")
    assert command("classify", "no-such-run", *arguments) == 2
    assert told in capsys.readouterr().err
    assert not Path("a.json").exists()
