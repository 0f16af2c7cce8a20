"""The made-up world in the raw layout of VinDr-CXR: DICOM files of many kinds, labels and boxes of three readers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from cxr_clip.study import Box
from cxr_clip.synthetic.dicom_files import DicomHeader, DicomStyle, dicom_bytes, draw_style, uid
from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import PlantedFault, plant_in_files, write_faults
from cxr_clip.synthetic.single_image_world import ImageJob, Layout, write_world
from cxr_clip.synthetic.single_images import ImageTruth, age_text, draw_single, hexadecimal
from cxr_clip.synthetic.vindr_cxr_labels import Reading, VindrImage, consensus, labels_of, three_readings, write_tables

_STREAM = 23
_TEST_EVERY = 4
_BITS = (8, 10, 12, 14, 16)
_SYNTAXES = ("explicit", "implicit", "JPEG lossless", "JPEG-LS", "JPEG 2000 lossless", "JPEG 2000", "RLE")
_NONE = frozenset({"No finding"})


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
    first = ImageJob(out, seed, 0, image_size)
    layout = Layout("vindr_cxr", write_vindr_image, _plant, write_tables)
    write_world(first, layout, studies=studies, processes=processes, faults=faults, progress=progress)


def write_vindr_image(job: ImageJob) -> VindrImage:
    """Write one image and return its rows."""
    rng = np.random.default_rng([job.seed, _STREAM, job.index, 9])
    style = draw_style(rng, bits=_BITS, syntaxes=_SYNTAXES)
    return _write(job, style, rng, part="test" if job.index % _TEST_EVERY == _TEST_EVERY - 1 else "train")


def _write(job: ImageJob, style: DicomStyle, rng: np.random.Generator, *, part: str) -> VindrImage:
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


def _plant(first: ImageJob) -> list[VindrImage]:
    """Write further training images with a fault each, and faults.jsonl; those that are listed."""
    made = [_planted(replace(first, index=first.index + number)) for number in range(12)]
    faults = plant_in_files(first.out, [image.truth for image in made])
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


def _planted(job: ImageJob) -> VindrImage:
    rng = np.random.default_rng([job.seed, _STREAM, job.index, 9])
    return _write(job, DicomStyle("explicit", bits=12, windowed=True), rng, part="train")
