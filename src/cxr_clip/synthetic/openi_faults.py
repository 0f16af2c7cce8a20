"""Faults for a miniature of Open-I: extra reports and images, each with one thing wrong, and what becomes of it."""

import re
from pathlib import Path

from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import PNG_BREAKS, PlantedFault, another_png, write_faults

_FIRST = 90001


def plant_in_openi(out: Path) -> None:
    """Add reports and images to a whole miniature, and write faults.jsonl."""
    sound = min((out / "images").iterdir()).read_bytes()
    report = (out / "ecgen-radiology" / "1.xml").read_text("utf-8")
    faults: list[PlantedFault] = []
    number = _FIRST
    for reason, broken in PNG_BREAKS:
        name, image = _add(out, report, number, image=broken(sound))
        faults.append(PlantedFault("image", image, name, reason))
        faults.append(PlantedFault("study", None, name, "none of its images"))
        number += 1
    name, image = _add(out, report, number, image=None)
    faults.append(PlantedFault("image", Path(image).stem, name, "the raw folder lacks it"))
    faults.append(PlantedFault("report", _path(number), name, "none of the images that it names is there"))
    faults += _plant_in_reports(out, report, sound, number + 1)
    write_whole(out / "images" / "CXR_IM-none-1001.png", sound)
    faults.append(PlantedFault("image", "images/CXR_IM-none-1001.png", None, "no report names this image"))
    write_faults(out, faults)


def _plant_in_reports(out: Path, report: str, image: bytes, number: int) -> list[PlantedFault]:
    """Reports that are cut off, come twice, name no image, or say nothing."""
    cut, twice, bare, silent = range(number, number + 4)
    _write_report(out, cut, _renamed(report, cut)[: len(report) // 2])
    _write_report(out, twice, report)
    without = re.sub(r"<parentImage.*</parentImage>", "", _renamed(report, bare), flags=re.DOTALL)
    _write_report(out, bare, without)
    empty = re.sub(r'(Label="(?:FINDINGS|IMPRESSION)")>[^<]*</AbstractText>', r"\1/>", report)
    _add(out, empty, silent, image=another_png(image, silent))
    return [
        PlantedFault("report", _path(cut), None, "XML"),
        PlantedFault("report", _path(twice), "CXR1", "same id"),
        PlantedFault("report", _path(bare), f"CXR{bare}", "names no image"),
        PlantedFault("report", _path(silent), f"CXR{silent}", "neither findings nor impression; kept for its labels"),
    ]


def _add(out: Path, report: str, number: int, *, image: bytes | None) -> tuple[str, str]:
    """A report that names one image, and the image; its id and the image's path."""
    path = f"images/CXR{number}_IM-{number}-1001.png"
    picture = f'<parentImage id="{Path(path).stem}"/>'
    text = re.sub(r"<parentImage.*</parentImage>", picture, _renamed(report, number), flags=re.DOTALL)
    _write_report(out, number, text)
    if image is not None:
        write_whole(out / path, image)
    return f"CXR{number}", path


def _renamed(report: str, number: int) -> str:
    """The report with another id."""
    return report.replace('<uId id="CXR1"/>', f'<uId id="CXR{number}"/>')


def _write_report(out: Path, number: int, text: str) -> None:
    write_whole(out / _path(number), text.encode())


def _path(number: int) -> str:
    return f"ecgen-radiology/{number}.xml"
