"""The made-up world in the raw layout of MIMIC-CXR: the tree of patients, gzipped tables, reports as texts or zip."""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np

from cxr_clip.synthetic.chexpert_labels import label_text
from cxr_clip.synthetic.files import write_whole
from cxr_clip.synthetic.planted_faults import write_faults
from cxr_clip.synthetic.processes import in_order
from cxr_clip.synthetic.world import World, begin, finish
from cxr_clip.synthetic.write_mimic_cxr_faults import plant_faults
from cxr_clip.synthetic.write_mimic_cxr_study import ImageRow, MimicStudy, StudyJob, write_mimic_study

_STREAM = 3
_MOST_VISITS = 6
_METADATA = (
    *("dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition", "Rows", "Columns"),
    *("StudyDate", "StudyTime", "ProcedureCodeSequence_CodeMeaning", "ViewCodeSequence_CodeMeaning"),
    "PatientOrientationCodeSequence_CodeMeaning",
)
_FINDINGS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture"),
    *("Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia", "Pneumothorax"),
    "Support Devices",
)
_MEANINGS = {"PA": "postero-anterior", "AP": "antero-posterior", "LATERAL": "lateral", "LL": "left lateral"}
_ZIP_TIME = (2019, 8, 1, 0, 0, 0)


class MimicEdition(StrEnum):
    """Which distribution is written: the kind of images, and the release in the names of the tables.

    JPG is MIMIC-CXR-JPG with the zip of reports; DICOM is MIMIC-CXR, with the reports as texts beside the studies, and
    the tables of MIMIC-CXR-JPG.
    """

    JPG_2_0_0 = "jpg-2.0.0"
    JPG_2_1_0 = "jpg-2.1.0"
    DICOM_2_0_0 = "dicom-2.0.0"
    DICOM_2_1_0 = "dicom-2.1.0"

    @property
    def release(self) -> str:
        """The number in the names of the tables."""
        return self.rpartition("-")[2]

    @property
    def is_dicom(self) -> bool:
        """Whether the images are DICOM files."""
        return self.startswith("dicom")


def synthesize_mimic_cxr(
    out: Path,
    *,
    studies: int,
    seed: int,
    processes: int = 1,
    image_size: int = 256,
    edition: MimicEdition = MimicEdition.JPG_2_0_0,
    faults: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write `studies` studies as MIMIC-CXR is distributed, with truth.jsonl beside them.

    Study k depends on (seed, k) alone; of five patients one is in the test part, one in the validation part. With
    `faults` the first studies have one fault each, and faults.jsonl says what must be left out. A world that is there
    already is passed over; one that was begun is drawn again from its start, byte for byte.

    Raises SourceError where the folder holds anything else, or processes for drawing fail.
    """
    world = World(f"mimic_cxr {edition}{' faults' if faults else ''}", studies, seed, image_size)
    if not begin(out, world, progress):
        return
    jobs = _jobs(out, studies, seed, image_size, dicom=edition.is_dicom)
    drawn = list(in_order(write_mimic_study, jobs, processes=processes, progress=progress))
    names = {kind: f"mimic-cxr-{edition.release}-{kind}.csv.gz" for kind in ("metadata", "split", "chexpert", "negbio")}
    told = plant_faults(drawn, out, names["chexpert"]) if faults else drawn
    _write_tables(out, told, names)
    _write_reports(out, told, zipped=not edition.is_dicom)
    write_whole(out / "truth.jsonl", "".join(study.truth.line() for study in told).encode())
    if faults:
        write_faults(out, (fault for study in told for fault in study.faults))
    finish(out, world)


def _jobs(out: Path, studies: int, seed: int, image_size: int, *, dicom: bool) -> Iterator[StudyJob]:
    """Patients from 1 on, each with all visits, until that many studies."""
    number, patient = 0, 1
    while number < studies:
        rng = np.random.default_rng([seed, _STREAM, patient, 5])
        for visit in range(min(int(rng.geometric(0.45)), _MOST_VISITS)):
            if number < studies:
                yield StudyJob(out, seed, number, patient, visit, image_size, dicom)
                number += 1
        patient += 1


def _write_tables(out: Path, studies: Sequence[MimicStudy], names: Mapping[str, str]) -> None:
    """The four tables, sorted by patient and study as the real ones are."""
    studies = sorted(studies, key=lambda study: (study.truth.patient, study.truth.study))
    rows = [(study, row) for study in studies for row in study.rows]
    splits = [
        [row.image, row.study, row.patient, split]
        for study in studies
        for row in study.rows
        for split in study.truth.splits
    ]
    _write_table(out / names["metadata"], _METADATA, (_metadata(row) for _, row in rows))
    _write_table(out / names["split"], ["dicom_id", "study_id", "subject_id", "split"], splits)
    for kind in ("chexpert", "negbio"):
        _write_table(out / names[kind], ["subject_id", "study_id", *_FINDINGS], _label_rows(studies, kind))


def _metadata(row: ImageRow) -> list[object]:
    lateral = row.position in ("LATERAL", "LL")
    procedure = "CHEST (PA AND LAT)" if lateral or row.position == "PA" else "CHEST (PORTABLE AP)"
    date, time = 21_000_101 + row.study % 90 * 10_000, f"{row.study % 240_000:06d}.125"
    meaning = _MEANINGS.get(row.position, "")
    place = [row.image, row.patient, row.study, procedure, row.position, row.height, row.width, date, time]
    return [*place, procedure, meaning, "Erect" if meaning and row.position != "AP" else ""]


def _label_rows(studies: Iterable[MimicStudy], kind: str) -> Iterator[list[object]]:
    for study in studies:
        labels = study.chexpert if kind == "chexpert" else study.negbio
        if labels is not None:
            yield [study.truth.patient, study.truth.study, *(label_text(labels, name) for name in _FINDINGS)]


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_whole(path, gzip.compress(text.getvalue().encode(), mtime=0))


def _write_reports(out: Path, studies: Sequence[MimicStudy], *, zipped: bool) -> None:
    """The reports in their zip, or as texts beside the folders of their studies."""
    texts = {f"files/{study.folder}.txt": study.report for study in studies if study.report is not None}
    if not zipped:
        for path, text in texts.items():
            write_whole(out / path, text.encode())
        return
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in sorted(texts.items()):
            archive.writestr(zipfile.ZipInfo(path, _ZIP_TIME), text, zipfile.ZIP_DEFLATED)
    write_whole(out / "mimic-cxr-reports.zip", data.getvalue())
