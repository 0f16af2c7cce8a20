"""The made-up world in the raw layout of VinDr-CXR: DICOM files of many kinds, labels and boxes of three readers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxr_clip.study import Box
from cxr_clip.synthetic.dicom_files import DicomHeader, DicomStyle, dicom_bytes, draw_style, uid
from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import BREAKS, PlantedFault, break_file, write_faults
from cxr_clip.synthetic.processes import in_order
from cxr_clip.synthetic.single_images import ImageTruth, age_text, draw_single, hexadecimal
from cxr_clip.synthetic.vindr_cxr_labels import Reading, VindrImage, consensus, labels_of, three_readings, write_tables
from cxr_clip.synthetic.world import World, begin, finish

_STREAM = 23
_TEST_EVERY = 4
_BITS = (8, 10, 12, 14, 16)
_SYNTAXES = ("explicit", "implicit", "JPEG lossless", "JPEG-LS", "JPEG 2000 lossless", "JPEG 2000", "RLE")
_NONE = frozenset({"No finding"})


@dataclass(frozen=True)
class VindrJob:
    """One image to write: number `index` of the world with that seed."""

    out: Path
    seed: int
    index: int
    image_size: int


def synthesize_vindr_cxr(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    faults: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write `studies` images as VinDr-CXR is distributed, every fourth for the test, with truth.jsonl beside them.

    Image k depends on (seed, k) alone; `image_size` is the short side. With `faults` there are further images with one
    thing wrong each, which faults.jsonl lists. A world that is there already is passed over; one that was begun is
    drawn again from its start.

    Raises SourceError where the folder holds anything else, or processes for drawing fail, and MissingPackageError
    where pydicom is not installed.
    """
    world = World(f"vindr_cxr{' with faults' if faults else ''}", studies, seed, image_size)
    if not begin(out, world):
        if progress is not None:
            progress(studies)
        return
    jobs = (VindrJob(out, seed, index, image_size) for index in range(studies))
    images = list(in_order(write_vindr_image, jobs, processes=processes, progress=progress))
    write_whole(out / "truth.jsonl", "".join(image.truth.line() for image in images).encode())
    if faults:
        images += _plant(VindrJob(out, seed, studies, image_size))
    write_tables(out, images)
    finish(out, world)


def write_vindr_image(job: VindrJob) -> VindrImage:
    """Write one image and return its rows."""
    rng = np.random.default_rng([job.seed, _STREAM, job.index, 9])
    style = draw_style(rng, bits=_BITS, syntaxes=_SYNTAXES)
    return _write(job, style, rng, part="test" if job.index % _TEST_EVERY == _TEST_EVERY - 1 else "train")


def _write(job: VindrJob, style: DicomStyle, rng: np.random.Generator, *, part: str) -> VindrImage:
    """The data set keeps no patient in its headers; some of them lack age and view."""
    single = draw_single((job.seed, _STREAM, job.index), image_size=job.image_size, square=False)
    image, body = hexadecimal(rng, 32), single.patient.body
    text, age = age_text(body.age, rng)
    study, series, instance = (uid(_STREAM, job.seed, job.index, number) for number in range(3))
    header = DicomHeader(study, series, instance, patient="", age=text, sex=body.sex, view=single.view.upper())
    path = f"{part}/{image}.dicom"
    write_whole(job.out / path, dicom_bytes(single.picture, header, style))
    readings = three_readings(single, rng) if part == "train" else consensus(single)
    truth = ImageTruth(
        image, image, path, single.view, age, body.sex, single.findings, labels_of(readings), single.boxes
    )
    height, width = single.picture.shape
    return VindrImage(truth, height, width, part, readings)


def _plant(first: VindrJob) -> list[VindrImage]:
    """Write further training images with a fault each, and faults.jsonl; those that are listed."""
    made = [_planted(replace(first, index=first.index + number)) for number in range(12)]
    faults: list[PlantedFault] = []
    for image, (reason, broken) in zip(made, BREAKS, strict=False):
        break_file(first.out / image.truth.path, broken)
        faults.append(PlantedFault("image", image.truth.path, image.truth.study, reason))
        faults.append(PlantedFault("study", None, image.truth.study, "none of its images"))
    (first.out / made[4].truth.path).unlink()
    faults.append(PlantedFault("image", "absent.txt", None, "1 of"))
    faults.append(PlantedFault("image", made[5].truth.path, None, "does not list"))
    plain = tuple(Reading(f"R{number}", _NONE, ()) for number in (1, 2, 3))
    seen = frozenset({"Cardiomegaly"})
    beyond = Reading("R1", seen, (("Cardiomegaly", Box("Cardiomegaly", 0, 0.1, 0.1, 3.0, 0.4)),))
    wrong = (
        (made[6], "study", plain[:2], "not one of each of 3 readers"),
        (made[7], "study", (replace(plain[0], odd="2"), *plain[1:]), "neither 0 nor 1"),
        (made[8], "study", (*plain, Reading("R1", seen, ())), "not one of each of 3 readers"),
        (made[9], "study", tuple(replace(reading, classes=frozenset()) for reading in plain), "no label"),
        (made[10], "box", (beyond, *plain[1:]), "does not lie in the image"),
        (made[11], "image", plain, "as a training image too"),
    )
    faults += (PlantedFault(kind, image.truth.path, image.truth.study, why) for image, kind, _, why in wrong)
    write_faults(first.out, faults)
    listed = [replace(image, readings=readings) for image, _, readings, _ in wrong]
    twice = replace(made[11], part="test", readings=plain[:1])
    return [*(replace(image, readings=plain) for image in made[:5]), *listed, twice]


def _planted(job: VindrJob) -> VindrImage:
    rng = np.random.default_rng([job.seed, _STREAM, job.index, 9])
    return _write(job, DicomStyle("explicit", bits=12, windowed=True), rng, part="train")
