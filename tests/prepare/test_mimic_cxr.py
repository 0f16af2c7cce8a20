"""MIMIC-CXR folders, whole or partial, JPG or DICOM, with reports from the zip or from texts, become studies."""

import json
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.data.masks import clean_text
from cxr_clip.errors import SourceError
from cxr_clip.inspection.inspect_manifest import InspectionRequest, inspect_manifest
from cxr_clip.prepare.mimic_cxr import prepare_mimic_cxr, read_mimic_cxr
from cxr_clip.prepare.records import PrepareOptions, PrepareSummary
from cxr_clip.study import Certainty, Split, Study, View
from cxr_clip.synthetic import MimicEdition, synthesize_mimic_cxr

OPTIONS = PrepareOptions(short_side=48, processes=1, studies_per_shard=8)
STUDIES, SIZE = 30, 64
DICOM = MimicEdition.DICOM_2_1_0
VIEWS = {"PA": View.PA, "AP": View.AP, "LATERAL": View.LATERAL, "LL": View.LATERAL, "": View.UNKNOWN}
CERTAINTIES = {1: Certainty.POSITIVE, 0: Certainty.NEGATIVE, -1: Certainty.UNCERTAIN}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """The layout of MIMIC-CXR-JPG 2.0.0 with the zip of reports."""
    out = tmp_path_factory.mktemp("jpg")
    synthesize_mimic_cxr(out, studies=STUDIES, seed=2, image_size=SIZE)
    return out


@pytest.fixture(scope="module")
def prepared(world: Path, tmp_path_factory) -> tuple[Path, PrepareSummary]:
    out = tmp_path_factory.mktemp("prepared")
    return out, prepare_mimic_cxr(world, out, OPTIONS)


@pytest.fixture
def raw(world: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(world, tmp_path / "raw"))


def truths(world: Path) -> dict[str, dict]:
    return {(truth := json.loads(line))["study"]: truth for line in (world / "truth.jsonl").read_text().splitlines()}


def drafted(raw: Path, **tables: Path) -> dict[str, Study]:
    return {draft.id: draft for draft in read_mimic_cxr(raw, **tables).drafts if isinstance(draft, Study)}


def reasons(raw: Path, **tables: Path) -> Counter[str]:
    return Counter(draft.reason for draft in read_mimic_cxr(raw, **tables).drafts if not isinstance(draft, Study))


def test_every_study_has_all_its_views_its_patient_and_its_part(world: Path, prepared) -> None:
    out, summary = prepared
    told = truths(world)
    found = {study.id: study for study in read_manifest(out)}
    assert found.keys() == told.keys()
    for name, study in found.items():
        truth = told[name]
        assert (study.patient, study.source, study.split.value) == (truth["patient"], "mimic_cxr", truth["splits"][0])
        views = {Path(image.path).stem: image.view for image in study.images}
        positions = zip(truth["images"], truth["positions"], strict=True)
        assert views == {image: VIEWS[position] for image, position in positions}
        assert all((world / image.path).is_file() for image in study.images)
    assert (summary.studies, summary.images) == (STUDIES, sum(len(truth["images"]) for truth in told.values()))
    assert summary.splits == Counter(truth["splits"][0] for truth in told.values())
    assert (summary.rejected, summary.absent_images) == ({}, 0)


def test_labels_keep_positive_negative_uncertain_and_unspoken_apart(world: Path, prepared) -> None:
    told = truths(world)
    for study in read_manifest(prepared[0]):
        assert study.findings == {name: CERTAINTIES[label] for name, label in told[study.id]["labels"].items()}


def test_sections_are_those_that_were_written(world: Path, prepared) -> None:
    told = truths(world)
    for study in read_manifest(prepared[0]):
        truth = told[study.id]
        expected = {name: clean_text(text) for name, text in truth["sections"].items()}
        assert {name: study.sections.get(name) for name in expected} == expected, truth["style"]


def test_the_summary_stands_beside_the_published_counts(world: Path, prepared) -> None:
    remarks = prepared[1].remarks
    trained = sum(truth["splits"] == ["train"] for truth in truths(world).values())
    assert remarks["studies listed (published: 227,835)"] == STUDIES
    assert remarks["images listed in mimic-cxr-2.0.0-metadata.csv.gz (published: 377,110)"] == prepared[1].images
    assert remarks["studies of the train part in mimic-cxr-2.0.0-split.csv.gz (published: 222,758)"] == trained
    assert remarks["studies labelled in mimic-cxr-2.0.0-chexpert.csv.gz (published: 227,827)"] == STUDIES
    assert remarks["tables of labels not used: mimic-cxr-2.0.0-negbio.csv.gz"] == 1
    assert remarks["studies with images; reports from mimic-cxr-reports.zip"] == STUDIES


def test_a_second_run_has_nothing_to_do(world: Path, prepared) -> None:
    assert prepare_mimic_cxr(world, prepared[0], OPTIONS).nothing_to_do


def test_the_dicom_tree_with_texts_gives_the_same_studies(world: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    synthesize_mimic_cxr(raw, studies=8, seed=2, image_size=SIZE, edition=DICOM)
    summary = prepare_mimic_cxr(raw, tmp_path / "out", OPTIONS)
    assert summary.rejected == {}
    jpg = drafted(world)
    for study in read_manifest(tmp_path / "out"):
        other = jpg[study.id]
        assert {Path(i.path).stem for i in study.images} == {Path(i.path).stem for i in other.images}
        assert {Path(image.path).suffix for image in study.images} == {".dcm"}
        assert (study.patient, study.split) == (other.patient, other.split)
        assert (study.sections, study.findings) == (other.sections, other.findings)


@pytest.mark.parametrize("edition", [MimicEdition.JPG_2_0_0, DICOM])
def test_every_planted_fault_is_named_and_nothing_else(tmp_path: Path, edition: MimicEdition) -> None:
    raw, out = tmp_path / "raw", tmp_path / "out"
    synthesize_mimic_cxr(raw, studies=STUDIES, seed=2, image_size=SIZE, edition=edition, faults=True)
    summary = prepare_mimic_cxr(raw, out, OPTIONS)
    planted = [json.loads(line) for line in (raw / "faults.jsonl").read_text().splitlines()]
    faults = [fault for fault in planted if fault["kind"] != "absent"]
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text().splitlines()]
    partial = [line for line in rejected if line["path"] == "absent.txt"]
    assert len(partial) == 1
    places = {(line["kind"], line["path"], line["study"]): line["reason"] for line in rejected if line not in partial}
    assert places.keys() == {(fault["kind"], fault["path"], fault["study"]) for fault in faults}
    for fault in faults:
        assert fault["reason"] in places[fault["kind"], fault["path"], fault["study"]]
    absent = sorted(path for truth in truths(raw).values() for path in truth["absent"])
    assert sorted((out / "absent.txt").read_text().split()) == absent
    gone = {fault["study"] for fault in faults if fault["kind"] == "study"}
    manifest = {study.id: study for study in read_manifest(out)}
    lost = {name for name, truth in truths(raw).items() if len(truth["images"]) == len(truth["absent"])}
    assert manifest.keys() == truths(raw).keys() - gone - lost
    assert summary.studies == len(manifest)


def test_a_partial_download_keeps_what_is_there(raw: Path) -> None:
    groups = sorted((raw / "files").iterdir())
    for group in groups[1:]:
        shutil.rmtree(group)
    source = read_mimic_cxr(raw)
    there = {path.stem for path in groups[0].rglob("*.jpg")}
    drafts = list(source.drafts)
    studies = [draft for draft in drafts if isinstance(draft, Study)]
    assert {Path(image.path).stem for study in studies for image in study.images} == there
    assert source.total == len(studies)
    assert len(source.absent) + len(there) == sum(len(truth["images"]) for truth in truths(raw).values())
    (partial,) = [draft for draft in drafts if not isinstance(draft, Study)]
    assert partial.path == "absent.txt"
    assert all(path.startswith("files/p1") and path.endswith(".jpg") for path in source.absent)


def test_drafts_can_be_made_again(world: Path) -> None:
    source = read_mimic_cxr(world)
    assert list(source.drafts) == list(source.drafts)


def test_texts_are_read_from_the_folder_that_the_zip_was_unpacked_into(raw: Path, world: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(raw / "mimic-cxr-reports.zip") as archive:
        archive.extractall(tmp_path / "reports")
    (raw / "mimic-cxr-reports.zip").unlink()
    assert drafted(raw, reports=tmp_path / "reports") == drafted(world)
    assert all(study.sections == {} for study in drafted(raw).values())
    shutil.copytree(tmp_path / "reports" / "files", raw / "files", dirs_exist_ok=True)
    assert drafted(raw) == drafted(world)


def test_a_zip_elsewhere_may_be_named_or_stand_in_a_named_folder(raw: Path, world: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mimic-cxr" / "2.0.0"
    elsewhere.mkdir(parents=True)
    (raw / "mimic-cxr-reports.zip").rename(elsewhere / "mimic-cxr-reports.zip")
    assert drafted(raw, reports=elsewhere / "mimic-cxr-reports.zip") == drafted(world)
    assert drafted(raw, reports=tmp_path / "mimic-cxr") == drafted(world)


def test_the_folders_that_wget_makes_are_searched(raw: Path, world: Path, tmp_path: Path) -> None:
    jpg = tmp_path / "physionet.org" / "files" / "mimic-cxr-jpg" / "2.0.0"
    text = tmp_path / "physionet.org" / "files" / "mimic-cxr" / "2.0.0"
    jpg.parent.mkdir(parents=True)
    raw.rename(jpg)
    text.mkdir(parents=True)
    (jpg / "mimic-cxr-reports.zip").rename(text / "mimic-cxr-reports.zip")
    found = drafted(tmp_path)
    assert found.keys() == truths(world).keys()
    assert all(study.sections for study in found.values())
    assert next(iter(found.values())).images[0].path.startswith("physionet.org/files/mimic-cxr-jpg/2.0.0/files/p1")


def test_jpg_comes_before_dicom_and_the_double_is_counted(raw: Path, world: Path) -> None:
    image = next(raw.rglob("*.jpg"))
    image.with_suffix(".dcm").write_bytes(b"never read")
    source = read_mimic_cxr(raw)
    assert source.remarks["files of the same image, unused"] == 1
    assert drafted(raw) == drafted(world)


def test_images_are_found_where_the_raw_folder_is_the_tree_itself(world: Path) -> None:
    tables = {kind: world / f"mimic-cxr-2.0.0-{kind}.csv.gz" for kind in ("metadata", "split")}
    found = drafted(world / "files", **tables, reports=world)
    assert found.keys() == truths(world).keys()
    assert all(image.path.startswith("p1") for study in found.values() for image in study.images)


def test_links_that_lead_back_and_files_in_place_of_folders_are_passed_over(raw: Path, world: Path) -> None:
    (raw / "again").symlink_to(raw)
    group = next((raw / "files").iterdir())
    (group / f"{group.name}000001").write_text("a file named like a patient")
    (group / "notes").mkdir()
    assert drafted(raw) == drafted(world)


def test_an_image_in_the_folder_of_another_study_counts_as_not_listed(raw: Path) -> None:
    first, second = sorted(raw.rglob("*.jpg"))[:2:1]
    folder = raw / "files" / "p10" / "p10000001" / "s50000001"
    folder.mkdir(parents=True)
    shutil.copy(first, folder / first.name)
    shutil.copy(second, first.parent.parent / "stray.jpg")
    assert reasons(raw) == {"the metadata does not list this image": 1}


def test_without_any_table_of_labels_studies_keep_their_reports(raw: Path, world: Path) -> None:
    for kind in ("chexpert", "negbio"):
        (raw / f"mimic-cxr-2.0.0-{kind}.csv.gz").unlink()
    found, labelled = drafted(raw), drafted(world)
    assert {name: study.sections for name, study in found.items()} == {
        name: study.sections for name, study in labelled.items()
    }
    assert not any(study.findings for study in found.values())
    (raw / "mimic-cxr-reports.zip").unlink()
    assert drafted(raw) == {}
    assert reasons(raw) == {"neither a report nor labels say anything of it": STUDIES}


def test_an_inspection_counts_what_was_written(world: Path, prepared) -> None:
    found = inspect_manifest(prepared[0], InspectionRequest(samples=2))
    told = truths(world).values()
    assert found.faults == ()
    counted = found.counts.studies, found.counts.patients, found.counts.images
    assert counted == (STUDIES, len({truth["patient"] for truth in told}), sum(len(t["images"]) for t in told))
    assert found.counts.views == Counter(VIEWS[position].value for truth in told for position in truth["positions"])
    said = Counter(item for truth in told for item in truth["labels"].items())
    for label in found.labels:
        assert [label.positive, label.negative, label.uncertain] == [said[label.finding, n] for n in (1, 0, -1)]


def test_negbio_is_taken_where_chexpert_is_absent_or_by_name(raw: Path, world: Path) -> None:
    negbio = drafted(raw, labels=raw / "mimic-cxr-2.0.0-negbio.csv.gz")
    assert negbio != drafted(world)
    (raw / "mimic-cxr-2.0.0-chexpert.csv.gz").unlink()
    assert drafted(raw) == negbio


def test_the_newest_release_of_a_table_is_taken(raw: Path) -> None:
    old = raw / "mimic-cxr-2.0.0-metadata.csv.gz"
    shutil.copy(old, raw / "mimic-cxr-2.1.0-metadata.csv.gz")
    old.write_bytes(b"never read")
    assert any("2.1.0-metadata" in remark for remark in read_mimic_cxr(raw).remarks)


@pytest.mark.parametrize("kind", ["metadata", "split"])
def test_a_missing_table_is_named_with_the_mend(raw: Path, kind: str) -> None:
    (raw / f"mimic-cxr-2.0.0-{kind}.csv.gz").unlink()
    with pytest.raises(SourceError, match=rf"no mimic-cxr-2\.0\.0-{kind}\.csv\.gz.*--{kind}"):
        read_mimic_cxr(raw)


def test_a_folder_without_patients_images_or_matching_tables_is_refused(raw: Path, tmp_path: Path) -> None:
    for table, name in (("split", "split"), ("labels", "chexpert")):
        other = tmp_path / f"mimic-cxr-2.0.0-{name}.csv"
        columns = "subject_id,study_id," + ("split" if name == "split" else "Edema")
        other.write_text(f"{columns}\n1,2,{'train' if name == 'split' else '1'}\n")
        with pytest.raises(SourceError, match=f"{name}.csv names none of the 30 studies"):
            read_mimic_cxr(raw, **{table: other})
    for image in raw.rglob("*.jpg"):
        image.unlink()
    with pytest.raises(SourceError, match=r"has none of the .* images that .*metadata"):
        read_mimic_cxr(raw)
    shutil.rmtree(raw / "files")
    with pytest.raises(SourceError, match=r"no folder with p10, p11, \.\.\."):
        read_mimic_cxr(raw)
    with pytest.raises(SourceError, match="there is no folder"):
        read_mimic_cxr(raw / "nowhere")


def test_a_radiologists_labels_of_the_test_part_go_before_the_labellers(raw: Path, world: Path) -> None:
    plain = drafted(world)
    test = [name for name, study in plain.items() if study.split is Split.TEST]
    train = next(name for name, study in plain.items() if study.split is Split.TRAIN)
    rows = [
        *(f"{test[0]},1.0,,-1.0", f"{test[0]},0.0,,", f"{train},1,,"),
        *("1,1,,", "a study,,,", *([f"{test[1]},2,,"] if len(test) > 1 else [])),
    ]
    table = raw / "mimic-cxr-2.1.0-test-set-labeled.csv"
    table.write_text("\n".join(["study_id,Edema,Fracture,Airspace Opacity", *rows]) + "\n")
    found = drafted(raw)
    assert found[test[0]].findings == {"Edema": Certainty.POSITIVE, "Lung Opacity": Certainty.UNCERTAIN}
    assert {name: study for name, study in found.items() if name != test[0]} == {
        name: study for name, study in plain.items() if name != test[0]
    }
    source = read_mimic_cxr(raw)
    assert source.remarks[f"studies of the test part with a radiologist's labels, in {table.name}"] == 1
    rejected = [draft for draft in source.drafts if not isinstance(draft, Study) and draft.path == table.name]
    assert [(draft.kind, draft.study) for draft in rejected] == [("labels", row.split(",")[0]) for row in rows[1:]]
    told = [draft.reason for draft in rejected]
    for reason, words in zip(
        told, ("second row", "not in the test", "not list", "not list", "label '2'"), strict=False
    ):
        assert words in reason
    table.rename(raw.parent / "own.csv")
    assert drafted(raw) == plain


def test_a_table_of_test_labels_for_other_studies_is_refused(raw: Path) -> None:
    table = raw / "mimic-cxr-2.1.0-test-set-labeled.csv"
    table.write_text("study_id,Edema\n1,1\n")
    with pytest.raises(SourceError, match="has no row that can be used, of 1"):
        read_mimic_cxr(raw)
    table.write_text("study_id,Gout\n1,1\n")
    with pytest.raises(SourceError, match="the column 'Gout', which is no finding"):
        read_mimic_cxr(raw)
