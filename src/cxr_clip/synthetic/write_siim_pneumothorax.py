"""The made-up world in the raw layout of the SIIM-ACR pneumothorax challenge: a tree of DICOM files, encoded masks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from cxr_clip.data.run_lengths import runs_of
from cxr_clip.study import Mask
from cxr_clip.synthetic.dicom_files import DicomHeader, DicomStyle, dicom_bytes, draw_style, uid
from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import PlantedFault, plant_in_files, write_faults
from cxr_clip.synthetic.render import render
from cxr_clip.synthetic.single_image_world import ImageJob, Layout, write_world
from cxr_clip.synthetic.single_images import ImageTruth, SingleImage, age_text, draw_single, hexadecimal

_STREAM = 22
_FOLDER = "dicom-images-train"
_TABLE = "train-rle.csv"
_HEADER = "ImageId, EncodedPixels\n"
_NONE = ("-1",)
_FINDING = "Pneumothorax"
_DARKER = 0.4  # a pixel belongs to the mask where it is darker by this part of the greatest change
_IN_TWO_SPLITS = 12


@dataclass(frozen=True)
class SiimImage:
    """One image and its encoded masks, "-1" for none; a text a row."""

    truth: ImageTruth
    rows: tuple[str, ...]


def synthesize_siim_pneumothorax(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    faults: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write `studies` images as the challenge is distributed, with truth.jsonl beside them.

    Image k depends on (seed, k) alone. With `faults` there are further images with one thing wrong each, which
    faults.jsonl lists. A world that is there already is passed over; one that was begun is drawn again from its start.

    Raises SourceError where the folder holds anything else, or processes for drawing fail, and MissingPackageError
    where pydicom is not installed.
    """
    first = ImageJob(out, seed, 0, image_size)
    layout = Layout("siim_pneumothorax", write_siim_image, _plant, _write_table)
    write_world(first, layout, studies=studies, processes=processes, faults=faults, progress=progress)


def write_siim_image(job: ImageJob) -> SiimImage:
    """Write one image and return its rows."""
    rng = np.random.default_rng([job.seed, _STREAM, job.index, 9])
    style = draw_style(rng, bits=(8,), syntaxes=("JPEG baseline", "JPEG baseline", "implicit", "JPEG-LS"))
    return _write(job, style, rng)


def _write(job: ImageJob, style: DicomStyle, rng: np.random.Generator) -> SiimImage:
    single = draw_single((job.seed, _STREAM, job.index), image_size=job.image_size, frequent=_FINDING)
    study, series, image = (uid(_STREAM, job.seed, job.index, number) for number in range(3))
    patient, body = job.patient or hexadecimal(rng, 8, 4, 4, 4, 12), single.patient.body
    text, age = age_text(body.age, rng)
    header = DicomHeader(study, series, image, patient=patient, age=text, sex=body.sex, view=single.view.upper())
    path = f"{_FOLDER}/{study}/{series}/{image}.dcm"
    write_whole(job.out / path, dicom_bytes(single.picture, header, style))
    masks = _masks(single, in_pieces=bool(rng.random() < 0.5))
    truth = ImageTruth(
        image, patient, path, single.view, age, body.sex, single.findings,
        labels={_FINDING: "positive" if masks else "negative"}, masks=masks,
    )  # fmt: skip
    return SiimImage(truth, tuple(map(_encoded, masks)) or _NONE)


def _masks(single: SingleImage, *, in_pieces: bool) -> tuple[Mask, ...]:
    """Where the picture is darker than it would be without the pneumothorax, the largest area of it.

    In pieces there is one mask of the upper half and one of the lower, as readers drew more than one in places.
    """
    others = tuple(f for f in single.findings if not (f.name == _FINDING and f.is_sure))
    if len(others) == len(single.findings):
        return ()
    quiet = replace(single.exposure, noise=0.0)
    height, width = single.picture.shape
    with_air, without = (
        render(single.patient, findings, single.pose, quiet, short_side=min(height, width)).picture.astype(np.int16)
        for findings in (single.findings, others)
    )
    darker = without - with_air
    _, areas, measures, _ = cv2.connectedComponentsWithStats((darker > _DARKER * darker.max()).astype(np.uint8))
    area = areas == 1 + int(np.argmax(measures[1:, cv2.CC_STAT_AREA]))
    rows = np.flatnonzero(area.any(axis=1))
    upper = np.arange(height)[:, None] < (rows[0] + rows[-1]) / 2
    parts = (area & upper, area & ~upper) if in_pieces and len(rows) > 2 else (area,)
    return tuple(Mask(_FINDING, 0, height, width, runs_of(part)) for part in parts)


def _encoded(mask: Mask) -> str:
    """Pixels to pass over and pixels to mark, in turn, down the columns; what follows the last mark is left out."""
    return " ".join(map(str, mask.runs[: len(mask.runs) // 2 * 2]))


def _write_table(out: Path, images: Iterable[SiimImage]) -> None:
    rows = (f"{image.truth.study}, {row}\n" for image in images for row in image.rows)
    write_whole(out / _TABLE, "".join([_HEADER, *rows]).encode())


def _plant(first: ImageJob) -> list[SiimImage]:
    """Write further images with a fault each, and faults.jsonl; those that are listed."""
    made = [_planted(replace(first, index=first.index + number)) for number in range(10)]
    faults = plant_in_files(first.out, [image.truth for image in made])
    wrong = (
        (made[6], "study", ("9 3", *_NONE), "in another"),
        (made[7], "study", ("",), "neither a mask nor -1"),
        (made[8], "mask", ("9 3", f"9 {first.image_size**2}"), "the mask ends 9 pixels after the last one"),
        (made[9], "mask", ("9 3", "9 3 4"), "no list of pairs"),
    )
    faults += (PlantedFault(kind, image.truth.path, image.truth.study, why) for image, kind, _, why in wrong)
    # Twelve images of one patient: a random split of the images does not keep them together.
    start, patient = first.index + len(made), uid(_STREAM, first.seed)
    torn = [_planted(replace(first, index=start + number, patient=patient)) for number in range(_IN_TWO_SPLITS)]
    faults.append(PlantedFault("study", None, None, "another one of its patient"))
    write_faults(first.out, faults)
    plain = [replace(image, rows=_NONE) for image in (*made[:5], *torn)]
    return [*plain, *(replace(image, rows=rows) for image, _, rows, _ in wrong)]


def _planted(job: ImageJob) -> SiimImage:
    return _write(job, DicomStyle("explicit"), np.random.default_rng([job.seed, _STREAM, job.index, 9]))
