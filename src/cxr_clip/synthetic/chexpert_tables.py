"""The tables of the CheXpert family, column by column as they are distributed."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

from cxr_clip.study import View
from cxr_clip.synthetic.chexpert_studies import LABELS, TASKS, StudyTruth

_PLUS_HEADER = (
    "path_to_image", "path_to_dcm", "frontal_lateral", "ap_pa", "deid_patient_id", "patient_report_date_order",
    "report", "section_narrative", "section_clinical_history", "section_history", "section_comparison",
    "section_technique", "section_procedure_comments", "section_findings", "section_impression",
    "section_end_of_impression", "section_summary", "section_accession_number", "age", "sex", "race", "ethnicity",
    "interpreter_needed", "insurance_type", "recent_bmi", "deceased", "split",
)  # fmt: skip
_SEXES = {"M": "Male", "F": "Female"}


def chexpert_csv(rows: Iterable[StudyTruth], folder: str) -> bytes:
    """The table train.csv or valid.csv, a row an image; paths start with the folder of the release."""
    header = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABELS)
    lines = (
        (f"{folder}/{image}", _SEXES[row.sex], str(row.age), *_view(view), *row.labels.values())
        for row in rows
        for image, view in zip(row.images, row.views, strict=True)
    )
    return _csv(header, lines)


def five_by_200_rows(rows: Iterable[StudyTruth]) -> list[StudyTruth]:
    """The training studies that have one of the five findings alone, and an impression."""
    return [
        row
        for row in rows
        if row.part == "train"
        and row.report["impression"]
        and sum(row.labels[task] == "1.0" for task in TASKS) == 1
        and all(row.labels[name] in ("", "0.0") for name in LABELS if name not in TASKS)
        and all(row.labels[task] != "-1.0" for task in TASKS)
    ]


def five_by_200_csv(rows: Sequence[StudyTruth], folder: str) -> bytes:
    """The table chexpert_5x200.csv: the first image, the five findings, the impression."""
    lines = (
        (
            f"{folder}/{row.images[0]}",
            *("1.0" if row.labels[task] == "1.0" else "0.0" for task in TASKS),
            row.report["impression"] or "",
        )
        for row in rows
    )
    return _csv(("Path", *TASKS, "Report Impression"), lines)


def plus_csv(rows: Iterable[StudyTruth]) -> bytes:
    """The table df_chexpert_plus_240401.csv: a row an image, with the report of its study in every row."""
    return _csv(_PLUS_HEADER, (line for row in rows for line in _plus_lines(row)))


def label_lines(rows: Iterable[StudyTruth]) -> bytes:
    """The file chexbert_labels/impression_fixed.json: a line of JSON an image, null where nothing is said."""
    records = (
        {"path_to_image": image} | {name: float(cell) if cell else None for name, cell in row.labels.items()}
        for row in rows
        for image in row.images
    )
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _plus_lines(row: StudyTruth) -> Iterator[tuple[str, ...]]:
    findings, impression = (row.report[name] or "" for name in ("findings", "impression"))
    report = f"NARRATIVE:\nCHEST RADIOGRAPH\nFINDINGS:\n{findings}\nIMPRESSION:\n{impression}\n"
    texts = {"report": report, "section_findings": findings, "section_impression": impression}
    told = {**dict.fromkeys(_PLUS_HEADER, ""), **texts}
    told |= {
        "deid_patient_id": row.patient,
        "patient_report_date_order": row.study.rpartition("study")[2],
        "age": f"{row.age}.0",
        "sex": _SEXES[row.sex],
        "race": "Unknown",
        "deceased": "No",
        "split": row.part,
    }
    for image, view in zip(row.images, row.views, strict=True):
        plane, direction = _view(view)
        path = image.rpartition(".")[0]
        here = {
            "path_to_image": f"{path}.jpg",
            "path_to_dcm": f"{path}.dcm",
            "frontal_lateral": plane,
            "ap_pa": direction,
        }
        yield tuple((told | here).values())


def _view(view: str) -> tuple[str, str]:
    return ("Lateral", "") if view == View.LATERAL else ("Frontal", view.upper())


def _csv(header: Sequence[str], lines: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return text.getvalue().encode()
