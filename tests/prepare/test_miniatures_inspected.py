"""Made up, prepared, inspected: the counts of an inspection are those of what was drawn, whichever the source."""

from collections import Counter
from pathlib import Path

import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.inspection.inspect_manifest import InspectionRequest, inspect_manifest
from cxr_clip.prepare.records import PrepareOptions
from cxr_clip.prepare.rsna_pneumonia import prepare_rsna_pneumonia
from cxr_clip.prepare.siim_pneumothorax import prepare_siim_pneumothorax
from cxr_clip.prepare.table import prepare_table
from cxr_clip.prepare.vindr_cxr import prepare_vindr_cxr
from cxr_clip.synthetic import (
    TableForm,
    synthesize_table,
    write_rsna_pneumonia,
    write_siim_pneumothorax,
    write_vindr_cxr,
)
from support_single_images import read_truth, require_faults, require_truth

SOURCES = {
    "rsna_pneumonia": (write_rsna_pneumonia.synthesize_rsna_pneumonia, prepare_rsna_pneumonia),
    "table": (synthesize_table, prepare_table),
    "siim_pneumothorax": (write_siim_pneumothorax.synthesize_siim_pneumothorax, prepare_siim_pneumothorax),
    "vindr_cxr": (write_vindr_cxr.synthesize_vindr_cxr, prepare_vindr_cxr),
}


@pytest.mark.parametrize("source", SOURCES)
def test_an_inspection_counts_what_was_drawn(tmp_path: Path, source: str) -> None:
    synthesize, prepare = SOURCES[source]
    synthesize(tmp_path / "raw", studies=14, seed=3, image_size=64)
    summary = prepare(tmp_path / "raw", tmp_path / "out", PrepareOptions(short_side=48, processes=1))
    assert (summary.studies, summary.rejected, summary.absent_images) == (14, {}, 0)
    truth = list(read_truth(tmp_path / "raw").values())
    found = inspect_manifest(tmp_path / "out", InspectionRequest(samples=2))
    assert found.faults == ()
    assert (found.counts.studies, found.counts.patients, found.counts.images) == (14, 14, 14)
    assert found.counts.views == Counter(row["view"] for row in truth)
    assert found.counts.sexes == Counter(row["sex"] for row in truth)
    said = Counter((name, value) for row in truth for name, value in row["labels"].items())
    for label in found.labels:
        assert (label.positive, label.negative) == (said[label.finding, "positive"], said[label.finding, "negative"])
        assert label.uncertain == label.not_mentioned == 0
    assert {label.finding for label in found.labels} == {name for name, _ in said}
    assert all(len(sample.texts) == 2 for sample in found.samples.studies)  # the prompts speak of all their findings
    assert found.counts.masks == sum(bool(row["masks"]) for row in truth)
    assert found.counts.grades == (14 if source == "table" else 0)
    if source == "rsna_pneumonia":
        assert found.counts.boxes == sum(bool(row["boxes"]) for row in truth) > 0


def test_grades_of_a_made_up_table_are_what_was_drawn(tmp_path: Path) -> None:
    levels = {"small": 1, "mild": 1, "moderate": 2, "large": 3, "severe": 3}
    synthesize_table(tmp_path / "raw", studies=40, seed=5, image_size=48)
    prepare_table(tmp_path / "raw", tmp_path / "out", PrepareOptions(short_side=48, processes=1))
    truth = read_truth(tmp_path / "raw")
    seen = set()
    for study in read_manifest(tmp_path / "out"):
        drawn = {one["name"]: one for one in truth[study.id]["findings"]}
        for name in ("Cardiomegaly", "Edema", "Pleural Effusion", "Pneumothorax"):
            one = drawn.get(name)
            doubtful = one is not None and one["certainty"] != "positive"
            wanted = None if doubtful else 0 if one is None else levels[one["severity"]]
            assert study.grades.get(name) == wanted, (study.id, name)
            seen.add(wanted)
    assert seen >= {0, 1, 2, 3}


@pytest.mark.parametrize("form", TableForm)
def test_a_table_of_ones_own_says_what_was_drawn_and_names_what_is_wrong(tmp_path: Path, form: TableForm) -> None:
    options = PrepareOptions(short_side=48, processes=1)
    synthesize_table(tmp_path / "raw", studies=6, seed=3, image_size=64, form=form, faults=True)
    summary = prepare_table(tmp_path / "raw", tmp_path / "out", options)
    assert (summary.studies, summary.absent_images) == (6, 1)
    require_faults(tmp_path / "out", tmp_path / "raw")
    truth = read_truth(tmp_path / "raw")
    if form is TableForm.LISTS:  # which has neither ages nor sexes
        truth = {name: {**row, "sex": None} for name, row in truth.items()}
    studies = list(read_manifest(tmp_path / "out"))
    require_truth(studies, truth)
    assert all(study.sections for study in studies)
    assert inspect_manifest(tmp_path / "out", InspectionRequest(samples=2)).faults == ()
