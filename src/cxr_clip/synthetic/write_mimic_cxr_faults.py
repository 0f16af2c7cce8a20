"""Faults planted in a made-up MIMIC-CXR, one a study, each written down with what must be left out because of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import PlantedFault, with_sides
from cxr_clip.synthetic.write_mimic_cxr_study import MimicStudy

Plant = Callable[[MimicStudy, Path], MimicStudy]
_ABSURD = 65_500
_PAGE = b"<!DOCTYPE html><html><body>401 Unauthorized</body></html>\n"


def plant_faults(studies: Sequence[MimicStudy], out: Path, labels: str) -> list[MimicStudy]:
    """The first studies with one fault each, the others as they are; `labels` is the name of the table of labels.

    A patient in two parts of the split comes last, one of few studies without another fault.
    """
    plants: tuple[Plant, ...] = (
        _cut_off,
        lambda study, out: _spoiled(study, out, with_absurd_size, "promises more than"),
        lambda study, out: _spoiled(study, out, lambda _: _PAGE, "web page"),
        _without_report,
        _with_empty_report,
        lambda study, _: _without_labels(study, labels),
        lambda study, _: _with_nothing(study, labels),
        _listed_twice,
        _with_unlisted_image,
        _with_absent_image,
        _without_split,
        _of_two_patients,
    )
    planted = [plant(study, out) for plant, study in zip(plants, studies, strict=False)]
    rest = studies[len(planted) :]
    taken = {study.truth.patient for study in planted}
    free = [study.truth.patient for study in rest if study.truth.patient not in taken]
    chosen = min(dict.fromkeys(free), key=lambda patient: abs(free.count(patient) - 2), default=None)
    return [*planted, *(_in_two_parts(study) if study.truth.patient == chosen else study for study in rest)]


def with_absurd_size(data: bytes) -> bytes:
    """The same JPEG or DICOM file with a header that promises 65,500 x 65,500 pixels."""
    if data[128:132] == b"DICM":
        return with_sides(data, _ABSURD)
    place = data.index(b"\xff\xc0") + 5  # the frame header: length, precision, height, width
    return data[:place] + 2 * _ABSURD.to_bytes(2, "big") + data[place + 4 :]


def _faulty(study: MimicStudy, *faults: tuple[str, str | None, str]) -> MimicStudy:
    """The study with faults of kind, path and reason."""
    return replace(study, faults=tuple(PlantedFault(kind, path, study.truth.study, why) for kind, path, why in faults))


def _image(study: MimicStudy, out: Path) -> Path:
    """The file of the first image of a study, .jpg or .dcm."""
    return next((out / "files" / study.folder).glob(f"{study.truth.images[0]}.*"))


def _below(path: Path, out: Path) -> str:
    return path.relative_to(out).as_posix()


def _spoiled(study: MimicStudy, out: Path, spoil: Callable[[bytes], bytes], reason: str) -> MimicStudy:
    """The first image cannot be decoded; a study of one image goes with it."""
    path = _image(study, out)
    write_whole(path, spoil(path.read_bytes()))
    alone = [("study", None, "none of its images")] if len(study.truth.images) == 1 else []
    return _faulty(study, ("image", _below(path, out), reason), *alone)


def _cut_off(study: MimicStudy, out: Path) -> MimicStudy:
    # What a cut DICOM file lacks, pixels or the whole image, depends on its transfer syntax.
    reason = "" if _image(study, out).suffix == ".dcm" else "truncated"
    return _spoiled(study, out, lambda data: data[: len(data) // 2], reason)


def _without_report(study: MimicStudy, _: Path) -> MimicStudy:
    return _faulty(replace(study, report=None), ("report", f"{study.folder}.txt", "there is no report"))


def _with_empty_report(study: MimicStudy, _: Path) -> MimicStudy:
    return _faulty(replace(study, report="\n"), ("report", f"{study.folder}.txt", "the report is empty"))


def _without_labels(study: MimicStudy, table: str) -> MimicStudy:
    return _faulty(replace(study, chexpert=None, negbio=None), ("labels", table, "does not name it"))


def _with_nothing(study: MimicStudy, table: str) -> MimicStudy:
    return _faulty(
        replace(study, report=None, chexpert=None, negbio=None),
        ("report", f"{study.folder}.txt", "there is no report"),
        ("labels", table, "does not name it"),
        ("study", study.folder, "neither a report nor labels"),
    )


def _listed_twice(study: MimicStudy, out: Path) -> MimicStudy:
    return _faulty(
        replace(study, rows=(*study.rows, study.rows[0])), ("image", _below(_image(study, out), out), "a second time")
    )


def _with_unlisted_image(study: MimicStudy, out: Path) -> MimicStudy:
    path = _image(study, out)
    copy = path.with_stem(f"{path.stem[:-8]}{'f' * 8}")
    write_whole(copy, path.read_bytes())
    return replace(study, faults=(PlantedFault("image", _below(copy, out), None, "does not list this image"),))


def _with_absent_image(study: MimicStudy, out: Path) -> MimicStudy:
    path = _image(study, out)
    path.unlink(missing_ok=True)
    return _lacking(study, _below(path, out))


def _lacking(study: MimicStudy, path: str, *faults: tuple[str, str | None, str]) -> MimicStudy:
    """The study with an image that is listed and absent, and further faults."""
    told = replace(study, truth=replace(study.truth, absent=(path,)))
    return _faulty(told, ("absent", path, "not in the raw folder"), *faults)


def _without_split(study: MimicStudy, _: Path) -> MimicStudy:
    told = replace(study, truth=replace(study.truth, splits=()))
    return _faulty(told, ("study", study.folder, "the table of splits does not name it"))


def _of_two_patients(study: MimicStudy, out: Path) -> MimicStudy:
    """The study's number stands under another patient too, with an image that is not there."""
    row = study.rows[0]
    other = replace(row, image=f"{row.image[:-8]}{'e' * 8}", patient=row.patient + 1)
    path = (
        _below(_image(study, out), out).replace(row.image, other.image).replace(f"p{row.patient}", f"p{other.patient}")
    )
    told = replace(study, rows=(*study.rows, other))
    return _lacking(told, path, ("study", study.folder, "gives this study to several patients"))


def _in_two_parts(study: MimicStudy) -> MimicStudy:
    """The table of splits names the study twice, in different parts."""
    told = replace(study, truth=replace(study.truth, splits=("train", "test")))
    return _faulty(told, ("study", study.folder, "in several parts of the split"))
