"""Of which image file an answer is: its digest, and the numbers by which the header of a DICOM file names it."""

import hashlib
import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_clip.data.dicom import looks_like_dicom
from cxr_clip.errors import MissingPackageError, StandardsError

_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# What DICOM's modules of patient and study want beside the numbers; all of it may be empty.
KEPT = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
    "StudyTime", "ReferringPhysicianName",
)  # fmt: skip


@dataclass(frozen=True)
class Instance:
    """An image of a study as DICOM numbers it. `said` is what the header says of patient and study, by keyword."""

    study: str
    series: str
    image: str
    kind: str
    said: tuple[tuple[str, str], ...] = ()

    @property
    def patient(self) -> str | None:
        """The patient's number."""
        return dict(self.said).get("PatientID") or None


@dataclass(frozen=True)
class Source:
    """An image file by the SHA-256 of its bytes; `instance` is absent where it is no DICOM file with valid numbers."""

    sha256: str
    instance: Instance | None = None


def read_source(path: Path) -> Source:
    """Read which image a file is. Raises StandardsError where it cannot be read, and MissingPackageError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StandardsError(f"{path} cannot be read ({error.strerror}): check the path") from error
    instance = _instance(data) if looks_like_dicom(data) else None
    return Source(hashlib.sha256(data).hexdigest(), instance)


def numbered(sources: Iterable[Source]) -> list[Instance]:
    """The images as DICOM numbers them, each once.

    Raises StandardsError where one is no DICOM file with valid numbers.
    """
    instances = []
    for number, source in enumerate(sources, start=1):
        if source.instance is None:
            raise StandardsError(
                f"image {number} is no DICOM file with valid Study, Series and SOP Instance UIDs, which a structured "
                "report and --with-identifiers need: give the DICOM file, or leave the option out"
            )
        instances.append(source.instance)
    return list(dict.fromkeys(instances))


def _instance(data: bytes) -> Instance | None:
    try:
        import pydicom
    except ImportError as error:
        raise MissingPackageError('DICOM images need pydicom: pip install "cxr-clip[dicom]"') from error
    wanted: list[Any] = [*_UIDS, *KEPT, "SpecificCharacterSet"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of every value that strays from the standard
        dataset = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True, specific_tags=wanted)
        uids = [str(dataset.get(name) or "") for name in _UIDS]
        said = tuple((name, str(dataset.get(name) or "")) for name in KEPT)
        valid = all(pydicom.uid.UID(one).is_valid for one in uids)
        study, series, image, kind = uids
        return Instance(study, series, image, kind, said) if valid else None
