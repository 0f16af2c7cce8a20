"""Faults for miniatures of the CheXpert family: extra patients, each with one thing wrong, and what becomes of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cxr_clip.synthetic.chexpert_studies import FIRST_HELD_OUT, LABELS, StudyTruth
from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import PlantedFault, with_absurd_size

_FIRST_PATIENT = 90001


@dataclass(frozen=True)
class Planted:
    """Rows to add to the table of the training part, what is wrong with them, and the studies among them that stay."""

    rows: tuple[StudyTruth, ...]
    faults: tuple[PlantedFault, ...]
    kept: tuple[StudyTruth, ...]


_FILES: Mapping[str, Callable[[bytes], bytes | None]] = {
    "cut off": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "absurd size": with_absurd_size,
    "absent": lambda _: None,
}


def plant_in_chexpert(folder: Path, like: StudyTruth, suffix: str) -> Planted:
    """Faults of CheXpert's tables and images; the images are copies of one of `like`, written below `folder`."""
    names = (*_FILES, "twice", "unknown label", "no label", "held out too", "not listed")
    rows = _write(folder, like, suffix, names)
    unknown = replace(rows["unknown label"], labels={**rows["unknown label"].labels, "Edema": "2.0"})
    silent = replace(rows["no label"], labels=dict.fromkeys(LABELS, ""))
    faults = (
        *_image_faults(rows),
        _fault("image", rows["unknown label"], "'2.0'"),
        _fault("study", silent, "labelled"),
        _fault("study", rows["held out too"], "valid part"),
        _fault("image", rows["not listed"], "no table lists this image"),
    )
    listed = (*_listed(rows), unknown, silent, rows["held out too"])
    return Planted(listed, faults, (rows["twice"],))


def plant_in_plus(folder: Path, like: StudyTruth, suffix: str) -> Planted:
    """Faults of the table of CheXpert Plus and of its images."""
    names = (*_FILES, "twice", "unknown split", "no report", "held out too", "not listed")
    rows = _write(folder, like, suffix, names)
    unknown = replace(rows["unknown split"], part="tset")
    silent = replace(rows["no report"], labels=dict.fromkeys(LABELS, ""), report=dict.fromkeys(like.report))
    faults = (
        *_image_faults(rows),
        _fault("image", unknown, "'tset'"),
        _fault("study", silent, "neither findings nor impression"),
        _fault("study", rows["held out too"], "valid part"),
        _fault("image", rows["not listed"], "no table lists this image"),
    )
    return Planted((*_listed(rows), unknown, silent, rows["held out too"]), faults, (rows["twice"],))


def plant_in_5x200(folder: Path, like: StudyTruth, suffix: str) -> Planted:
    """Faults of chexpert_5x200.csv and of its images."""
    rows = _write(folder, like, suffix, (*_FILES, "twice", "two findings", "no report"))
    both = replace(rows["two findings"], labels={**like.labels, "Edema": "1.0", "Cardiomegaly": "1.0"})
    silent = replace(rows["no report"], report=dict.fromkeys(like.report))
    faults = (
        *_image_faults(rows, by_image=True),
        _fault("image", both, "not exactly one", by_image=True),
        _fault("report", silent, "no impression", by_image=True),
    )
    return Planted((*_listed(rows), both, silent), faults, (rows["twice"], silent))


def _write(folder: Path, like: StudyTruth, suffix: str, names: Sequence[str]) -> dict[str, StudyTruth]:
    """The faulty patients by what is wrong with them, their images written."""
    data = (folder / like.images[0]).read_bytes()
    rows = {name: _renamed(like, _FIRST_PATIENT + n, 1, suffix) for n, name in enumerate(names)}
    if "held out too" in rows:
        rows["held out too"] = _renamed(like, FIRST_HELD_OUT + 1, 9, suffix)
    for name, row in rows.items():
        changed = _FILES[name](data) if name in _FILES else data
        if changed is not None:
            write_whole(folder / row.images[0], changed)
    return rows


def _listed(rows: Mapping[str, StudyTruth]) -> tuple[StudyTruth, ...]:
    """The rows of faulty files, and one row that comes twice."""
    return (*(rows[name] for name in _FILES), rows["twice"], rows["twice"])


def _image_faults(rows: Mapping[str, StudyTruth], *, by_image: bool = False) -> tuple[PlantedFault, ...]:
    reasons = {"cut off": "truncated", "empty": "empty", "absurd size": "pixels", "twice": "twice"}
    faults = (_fault("image", rows[name], reason, by_image=by_image) for name, reason in reasons.items())
    return (*faults, _fault("absent", rows["absent"], "not in the raw folder", by_image=by_image))


def _fault(kind: str, row: StudyTruth, reason: str, *, by_image: bool = False) -> PlantedFault:
    """A fault of the only image of a study, or of the study; `by_image` where each image is a study of its own."""
    image = f"_{Path(row.images[0]).stem}" if by_image else ""
    return PlantedFault(kind, row.images[0], f"{row.study}{image}", reason)


def _renamed(like: StudyTruth, patient: int, study: int, suffix: str) -> StudyTruth:
    """A study with one frontal image, by another name."""
    name = f"patient{patient:05d}"
    image = f"train/{name}/study{study}/view1_frontal{suffix}"
    return replace(
        like, study=f"{name}_study{study}", patient=name, images=(image,), views=like.views[:1], part="train"
    )
