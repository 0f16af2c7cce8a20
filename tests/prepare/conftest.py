"""Small raw folders in the official layouts."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_clip.synthetic.dicom_files import DicomHeader, DicomStyle, dicom_bytes, uid

ReportWriter = Callable[..., Path]
PictureWriter = Callable[..., Path]


@pytest.fixture
def write_picture() -> PictureWriter:
    """Write a small image of the kind that the suffix says."""

    def write(path: Path, *, seed: int = 0, size: tuple[int, int] = (40, 32), mode: str = "L") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8), dtype=np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noise).resize(size).convert(mode).save(stream, "PNG" if path.suffix == ".png" else "JPEG")
        path.write_bytes(stream.getvalue())
        return path

    return write


@pytest.fixture
def write_dicom() -> PictureWriter:
    """Write a small DICOM image, 32 wide and 64 high, of a patient of 61 years."""

    def write(path: Path, *, patient: str = "p", seed: int = 0, view: str = "AP", age: str = "061Y") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = np.random.default_rng(seed).integers(0, 256, (64, 32), dtype=np.uint8)
        header = DicomHeader(uid(1), uid(1, 2), uid(1, 2, seed), patient=patient, age=age, sex="F", view=view)
        path.write_bytes(dicom_bytes(picture, header, DicomStyle("explicit")))
        return path

    return write


@pytest.fixture
def write_report() -> ReportWriter:
    """Write an Open-I report."""

    def write(
        raw: Path,
        number: int,
        *,
        images: Sequence[str] = (),
        findings: str = "The lungs are clear.",
        impression: str = "",
        terms: Sequence[str] = ("normal",),
    ) -> Path:
        path = raw / "ecgen-radiology" / f"{number}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        parents = "".join(f'<parentImage id="{name}"><caption>Chest</caption></parentImage>' for name in images)
        majors = "".join(f"<major>{term}</major>" for term in terms)
        path.write_text(
            f'<?xml version="1.0" encoding="utf-8"?>\n<eCitation><uId id="CXR{number}"/><Abstract>'
            f'<AbstractText Label="COMPARISON">None.</AbstractText>'
            f'<AbstractText Label="FINDINGS">{findings}</AbstractText>'
            f'<AbstractText Label="IMPRESSION">{impression}</AbstractText></Abstract>'
            f"<MeSH>{majors}</MeSH>{parents}</eCitation>"
        )
        return path

    return write


@pytest.fixture
def openi(tmp_path: Path, write_report: ReportWriter, write_picture: PictureWriter) -> Path:
    """Twelve reports with a frontal and a lateral image each."""
    raw = tmp_path / "raw"
    for number in range(1, 13):
        names = [f"CXR{number}_1_IM-0001-{view}001" for view in (3, 4)]
        write_report(raw, number, images=names, findings=f"Heart normal. Note {number}.", impression="Normal chest.")
        for place, name in enumerate(names):
            write_picture(raw / "images" / f"{name}.png", seed=2 * number + place)
    return raw
