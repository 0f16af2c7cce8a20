"""The made-up world in the raw layout of ChestX-ray14: images with follow-ups, label table, lists and boxes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxr_clip.study import View
from cxr_clip.synthetic.acquisition import Picture, draw_exposure, draw_pose
from cxr_clip.synthetic.anatomy import draw_body
from cxr_clip.synthetic.chestxray14_faults import plant_in_chestxray14
from cxr_clip.synthetic.files import Truth, png, write_whole
from cxr_clip.synthetic.pathology import FindingInstance, draw_findings, followed_up
from cxr_clip.synthetic.processes import in_order
from cxr_clip.synthetic.render import Patient, render
from cxr_clip.synthetic.world import World, begin, finish

_STREAM = 2
_MOST_VISITS = 8
_BOX_PIXELS = 1024  # the boxes are published in pixels of the 1024 x 1024 originals, whatever a copy was reduced to
_FOLDER_IMAGES = 4999
_LABELS = {
    "Atelectasis": "Atelectasis",
    "Cardiomegaly": "Cardiomegaly",
    "Consolidation": "Consolidation",
    "Edema": "Edema",
    "Emphysema": "Emphysema",
    "Hernia": "Hernia",
    "Mass": "Mass",
    "Nodule": "Nodule",
    "Pleural Effusion": "Effusion",
    "Pneumothorax": "Pneumothorax",
}
_BOXED = ("Atelectasis", "Cardiomegaly", "Effusion", "Mass", "Nodule", "Pneumothorax")
_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]\n"
)
_BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"


@dataclass(frozen=True)
class VisitJob:
    """One image to write: visit `visit` of patient `patient`, in the folder that its place in the order gives."""

    out: Path
    seed: int
    patient: int
    visit: int
    folder: int
    image_size: int


@dataclass(frozen=True)
class Visit:
    """One image as its row of the label table tells it."""

    truth: Truth
    visit: int
    age: int
    sex: str


def synthesize_chestxray14(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    faults: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write `studies` images as ChestX-ray14 is distributed, with truth.jsonl beside them.

    Image k depends on (seed, k) alone; every fifth patient is in the test list. `image_size` is the side in pixels.
    With `faults` there are further images with one thing wrong each, which faults.jsonl lists. A world that is there
    already is passed over; one that was begun is drawn again from its start, byte for byte.

    Raises SourceError where the folder holds anything else, or processes for drawing fail.
    """
    world = World(f"chestxray14{' with faults' if faults else ''}", studies, seed, image_size)
    if not begin(out, world, progress):
        return
    visits = in_order(write_visit, _jobs(out, studies, seed, image_size), processes=processes, progress=progress)
    _write_tables(out, visits)
    if faults:
        plant_in_chestxray14(out)
    finish(out, world)


def _write_tables(out: Path, visits: Iterable[Visit]) -> None:
    """The label table, the boxes, the lists of the split and the truth."""
    table, boxes, lines = [_HEADER], [_BOX_HEADER], []
    train: list[str] = []
    test: list[str] = []
    for visit in visits:
        table.append(_row(visit))
        boxes += _box_rows(visit.truth)
        lines.append(visit.truth.line())
        (test if int(visit.truth.patient) % 5 == 0 else train).append(f"{visit.truth.images[0]}\n")
    for name, parts in (
        ("Data_Entry_2017_v2020.csv", table),
        ("BBox_List_2017.csv", boxes),
        ("train_val_list.txt", train),
        ("test_list.txt", test),
        ("truth.jsonl", lines),
    ):
        write_whole(out / name, "".join(parts).encode())


def write_visit(job: VisitJob) -> Visit:
    """Write one image and return its row."""
    body_rng = np.random.default_rng([job.seed, _STREAM, job.patient, 0])
    body = draw_body(body_rng)
    patient = Patient(body, int(body_rng.integers(2**31)))
    findings = _history(job.seed, job.patient, job.visit)
    rng = np.random.default_rng([job.seed, _STREAM, job.patient, 2, job.visit])
    bedside = 0.75 if any(f.name in ("Edema", "Support Devices") for f in findings) else 0.2
    view = View.AP if rng.random() < bedside else View.PA
    pose, exposure = draw_pose(rng, view, body.scale), draw_exposure(rng, view)
    square = replace(pose, aspect=1.0)
    shot = render(patient, findings, square, exposure, short_side=job.image_size)
    name = f"{job.patient:08d}_{job.visit:03d}.png"
    write_whole(job.out / f"images_{job.folder:03d}" / "images" / name, png(_maybe_rgba(shot.picture, rng)))
    truth = Truth(Path(name).stem, str(job.patient), (name,), (view,), findings, shot.boxes)
    return Visit(truth=truth, visit=job.visit, age=min(body.age + job.visit // 2, 95), sex=body.sex)


def _jobs(out: Path, studies: int, seed: int, image_size: int) -> Iterator[VisitJob]:
    """Patients from 1 on, each with all visits, until that many images."""
    count, patient = 0, 1
    while count < studies:
        rng = np.random.default_rng([seed, _STREAM, patient, 1])
        for visit in range(min(int(rng.geometric(0.45)), _MOST_VISITS)):
            if count < studies:
                folder = min(1 + (count + 5001) // 10000, 12) if count >= _FOLDER_IMAGES else 1
                yield VisitJob(out, seed, patient, visit, folder, image_size)
                count += 1
        patient += 1


def _history(seed: int, patient: int, visit: int) -> tuple[FindingInstance, ...]:
    """The findings at a visit, grown from the first one."""
    findings = draw_findings(np.random.default_rng([seed, _STREAM, patient, 3, 0]))
    for later in range(1, visit + 1):
        findings = followed_up(findings, np.random.default_rng([seed, _STREAM, patient, 3, later]))
    return findings


def _maybe_rgba(picture: Picture, rng: np.random.Generator) -> Picture:
    """A few images of the collection have four channels."""
    if rng.random() >= 0.02:
        return picture
    opaque = np.full_like(picture, 255)
    return np.stack([picture, picture, picture, opaque], axis=2)


def _coded(findings: tuple[FindingInstance, ...]) -> list[str]:
    """The labels of the findings that the data set codes, sorted."""
    return sorted(_LABELS[f.name] for f in findings if f.is_sure and f.name in _LABELS)


def _row(visit: Visit) -> str:
    truth = visit.truth
    labels = "|".join(_coded(truth.findings)) or "No Finding"
    original = "2048,2500,0.168,0.168" if truth.views[0] is View.AP else "2500,2048,0.143,0.143"
    return (
        f"{truth.images[0]},{labels},{visit.visit},{truth.patient},{visit.age},{visit.sex},"
        f"{truth.views[0].upper()},{original}\n"
    )


def _box_rows(truth: Truth) -> list[str]:
    """The boxes of the findings that the data set boxes."""
    rows = []
    for b in truth.boxes:
        label = _LABELS.get(b.finding)
        if label in _BOXED:
            x, y = b.left * _BOX_PIXELS, b.top * _BOX_PIXELS
            w, h = (b.right - b.left) * _BOX_PIXELS, (b.bottom - b.top) * _BOX_PIXELS
            rows.append(f"{truth.images[0]},{label},{x:.3f},{y:.3f},{w:.3f},{h:.3f}\n")
    return rows
