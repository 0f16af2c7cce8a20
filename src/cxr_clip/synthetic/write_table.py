"""The made-up world as a table of one's own with PNG images, or in the CSV format of the published code."""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np

from cxr_clip.synthetic.files import png, write_whole
from cxr_clip.synthetic.house_styles import write_report
from cxr_clip.synthetic.pathology import FindingInstance
from cxr_clip.synthetic.planted_faults import PlantedFault, write_faults
from cxr_clip.synthetic.single_image_world import ImageJob, Layout, write_world
from cxr_clip.synthetic.single_images import ImageTruth, draw_single

_STREAM = 29
_FINDINGS = ("Cardiomegaly", "Edema", "Pleural Effusion", "Pneumothorax")
_SPLITS = ("train", "train", "train", "validate", "test")
_CELL = {"positive": "1", "negative": "0"}
_GRADES = {None: "0", "small": "1", "mild": "1", "moderate": "2", "large": "3", "severe": "3"}
NAME = "studies.csv"


class TableForm(StrEnum):
    """Which table is written: a column for each thing, or lists written as text as the published code has them."""

    COLUMNS = "columns"
    LISTS = "lists"


@dataclass(frozen=True)
class TableImage:
    """What was drawn, and the cells of its row by column."""

    truth: ImageTruth
    cells: dict[str, str]


def synthesize_table(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    form: TableForm = TableForm.COLUMNS,
    faults: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write `studies` images below images/ and studies.csv, with truth.jsonl beside them.

    Image k depends on (seed, k) alone; `image_size` is the short side. With `faults` there are further rows with one
    thing wrong each, which faults.jsonl lists. A world that is there already is passed over.

    Raises SourceError where the folder holds anything else, or processes for drawing fail.
    """
    write = partial(write_table_image, form=form)
    layout = Layout(f"table {form}", write, partial(_plant, form=form), _write_table)
    write_world(
        ImageJob(out, seed, 0, image_size), layout,
        studies=studies, processes=processes, faults=faults, progress=progress,
    )  # fmt: skip


def write_table_image(job: ImageJob, *, form: TableForm) -> TableImage:
    """Write one image and return its row."""
    rng = np.random.default_rng([job.seed, _STREAM, job.index, 9])
    single = draw_single((job.seed, _STREAM, job.index), image_size=job.image_size, square=False)
    body = single.patient.body
    path = f"images/picture-{job.index + 1:05d}.png"
    write_whole(job.out / path, png(single.picture))
    report = write_report(single.findings, rng, age=body.age, sex=body.sex)
    there = {finding.name for finding in single.findings if finding.is_sure}
    labels = {name: "positive" if name in there else "negative" for name in _FINDINGS}
    study = f"case-{job.index + 1}" if form is TableForm.COLUMNS else path.removesuffix(".png").replace("/", "_")
    patient = f"person-{job.index + 1}" if form is TableForm.COLUMNS else study
    age = float(body.age) if form is TableForm.COLUMNS else None
    truth = ImageTruth(study, patient, path, single.view, age, body.sex, single.findings, labels)
    texts = [text for text in (report.findings, report.impression) if text]
    if form is TableForm.LISTS:
        return TableImage(truth, _lists(truth, texts))
    split = _SPLITS[job.index % len(_SPLITS)]
    told = {"findings": report.findings or "", "impression": report.impression or "", "age": str(body.age)}
    cells = {"id": study, "patient": patient, "split": split, "image": path, "view": single.view.value.upper()}
    said = {**{name: _CELL[labels[name]] for name in _FINDINGS}, **_grades(single.findings)}
    return TableImage(truth, {**cells, **told, "sex": body.sex, **said})


def _grades(findings: tuple[FindingInstance, ...]) -> dict[str, str]:
    """How much there is of each finding, from 0; a suspected one is not graded."""
    severities = {one.name: one.severity for one in findings if one.is_sure}
    doubtful = {one.name for one in findings if not one.is_sure}
    return {f"{name} grade": "" if name in doubtful else _GRADES[severities.get(name)] for name in _FINDINGS}


def _lists(truth: ImageTruth, texts: list[str]) -> dict[str, str]:
    """The row of the published code's format: each cell a list as Python writes it."""
    kinds = [[name for name, said in truth.labels.items() if said == kind] for kind in ("positive", "negative")]
    return {
        "image": str([truth.path]),
        "view": str([truth.view.value.upper()]),
        "text": str(texts),
        "text_label": str([*kinds, []]),
    }


def _write_table(out: Path, images: Iterable[TableImage]) -> None:
    text = io.StringIO()
    rows = [image.cells for image in images]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(out / NAME, text.getvalue().encode())


def _plant(first: ImageJob, *, form: TableForm) -> list[TableImage]:
    """Write further images and rows with a fault each, and faults.jsonl; those that are listed."""
    made = [write_table_image(replace(first, index=first.index + number), form=form) for number in range(8)]
    faults: list[PlantedFault] = []
    spoiled = (
        (made[0], "truncated", lambda data: data[: len(data) // 2]),
        (made[1], "empty", lambda _: b""),
        (made[2], "web page", lambda _: b"<!DOCTYPE html><html><body>Not found</body></html>"),
    )
    for image, reason, spoil in spoiled:
        path = first.out / image.truth.path
        write_whole(path, spoil(path.read_bytes()))
        faults.append(PlantedFault("image", image.truth.path, image.truth.study, reason))
        faults.append(PlantedFault("study", None, image.truth.study, "none of its images"))
    (first.out / made[3].truth.path).unlink()
    faults.append(PlantedFault("image", "absent.txt", None, "1 of"))
    wrong = _wrong_in_columns(made) if form is TableForm.COLUMNS else _wrong_in_lists(made)
    rows = [*made[:4], *(replace(image, cells={**image.cells, **cells}) for image, cells, _ in wrong)]
    # Rows are numbered from 2 on, below the header.
    numbers = {image.truth.study: first.index + place for place, image in enumerate(rows, start=2)}
    for image, cells, reason in wrong:
        where = f"{NAME} row {numbers[image.truth.study]}"
        named = cells.get("id", image.truth.study) if form is TableForm.COLUMNS else None
        faults.append(PlantedFault("study", where, named, reason))
    write_faults(first.out, faults)
    return rows


Wrong = list[tuple[TableImage, dict[str, str], str]]


def _wrong_in_columns(made: list[TableImage]) -> Wrong:
    return [
        (made[4], {"Edema": "2"}, "the label '2' is none of 1, 0, -1 and blank"),
        (made[5], {"image": f"../{made[5].truth.path}"}, "leaves the raw folder"),
        (made[6], {"image": ""}, "no image"),
        (made[7], {"patient": ""}, "no patient in column patient"),
    ]


def _wrong_in_lists(made: list[TableImage]) -> Wrong:
    return [
        (made[4], {"text": "['The heart is', "}, "column text holds"),
        (made[5], {"image": f"['../{made[5].truth.path}']"}, "leaves the raw folder"),
        (made[6], {"text": "['a', 'b', 'c']"}, "3 texts in column text"),
        (made[7], {"text_label": "[['Edema'], ['Edema'], []]"}, "Edema is both positive and negative"),
    ]
