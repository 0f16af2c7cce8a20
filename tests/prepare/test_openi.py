"""Open-I folders in all their editions become studies; what cannot be used is recorded."""

import json
import shutil
from pathlib import Path

import pytest

from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import SourceError
from cxr_clip.prepare.openi import prepare_openi, read_openi
from cxr_clip.prepare.openi_tables import image_key
from cxr_clip.prepare.pipeline import PrepareOptions, Rejection, run_pipeline
from cxr_clip.study import Certainty, Split, Study, View
from cxr_clip.synthetic import synthesize_openi
from support_single_images import read_truth, require_faults

OPTIONS = PrepareOptions(short_side=24, processes=1)


def studies(out: Path) -> dict[str, Study]:
    return {study.id: study for study in read_manifest(out)}


def reasons(out: Path) -> list[tuple[str, str | None, str]]:
    with (out / "rejected.jsonl").open() as stream:
        rows = [json.loads(line) for line in stream]
    return [(row["kind"], row["study"] or row["path"], row["reason"]) for row in rows]


@pytest.mark.parametrize(
    "name",
    [
        "CXR1_1_IM-0001-3001", "CXR1_1_IM-0001-3001.png", "1_IM-0001-3001.dcm.png", "CXR1_1_IM-0001-3001.dcm",
        "1_IM-0001-3001.JPG",
    ],
)  # fmt: skip
def test_all_editions_name_an_image_alike(name: str) -> None:
    assert image_key(name) == "1_IM-0001-3001"


def test_an_id_without_a_second_number_keeps_its_own() -> None:
    assert image_key("CXR1000_IM-0003-1001") == image_key("1000_IM-0003-1001.dcm.png") == "1000_IM-0003-1001"
    assert image_key("CXR10_1_IM-0003-1001") == "CXR10_1_IM-0003-1001"


def test_a_plain_folder_has_unknown_views_mesh_findings_and_a_hash_split(openi: Path, tmp_path: Path) -> None:
    summary = prepare_openi(openi, tmp_path / "out", OPTIONS)
    assert summary.rejected == {}
    study = studies(tmp_path / "out")["CXR3"]
    assert (study.patient, study.source) == ("CXR3", "openi")
    assert [image.view for image in study.images] == [View.UNKNOWN] * 2
    assert study.sections["findings"] == "Heart normal. Note 3."
    assert study.sections["impression"] == "Normal chest."
    assert study.findings["No Finding"] is Certainty.POSITIVE
    assert study.findings["Edema"] is Certainty.NEGATIVE


def test_equal_reports_come_to_one_split(openi: Path, tmp_path: Path, write_report) -> None:
    for number in range(1, 13):
        text = "No change." if number % 2 else "  no  CHANGE."
        write_report(openi, number, images=[f"CXR{number}_1_IM-0001-3001"], findings=text)
    prepare_openi(openi, tmp_path / "out", OPTIONS)
    assert len({study.split for study in studies(tmp_path / "out").values()}) == 1


def test_tables_in_the_folder_or_given_are_used(openi: Path, tmp_path: Path) -> None:
    rows = [f"{n},CXR{n}_1_IM-0001-{v}001,{name}" for n in range(1, 13) for v, name in ((3, "Lateral"), (4, "Frontal"))]
    (openi / "projections.csv").write_text("uid,image_id,projection\n" + "\n".join(rows))
    (openi / "split.csv").write_text("uid,split\n" + "\n".join(f"{n},test" for n in range(1, 12)))
    (openi / "labels_nih14.csv").write_text("uid,Effusion,normal\n1,1,0\n2,0,1\n")
    prepare_openi(openi, tmp_path / "out", OPTIONS)
    found = studies(tmp_path / "out")
    assert [image.view for image in found["CXR1"].images] == [View.LATERAL, View.FRONTAL]
    assert found["CXR1"].findings == {"Pleural Effusion": Certainty.POSITIVE, "No Finding": Certainty.NEGATIVE}
    assert found["CXR3"].findings == {}
    assert {study.split for study in found.values()} == {Split.TEST}
    assert reasons(tmp_path / "out") == [("study", "CXR12", "the table of splits does not name it")]
    for name in ("projections", "split", "labels_nih14"):
        (openi / f"{name}.csv").rename(tmp_path / f"my_{name}.csv")
    given = {"splits": tmp_path / "my_split.csv", "labels": tmp_path / "my_labels_nih14.csv"}
    prepare_openi(openi, tmp_path / "given", OPTIONS, projections=tmp_path / "my_projections.csv", **given)
    assert studies(tmp_path / "given") == found


def write_tables(folder: Path, *, uid: str = "{}") -> dict[str, Path]:
    """Tables of the first eleven of twelve reports, of ten of them the labels, of one side the projections."""
    images = (f"{n},CXR{n}_1_IM-0001-3001,Lateral" for n in range(1, 13))
    rows = {
        "projections": ["uid,image_id,projection", *images],
        "splits": ["uid,split", *(f"{uid.format(n)},test" for n in range(1, 12))],
        "labels": ["uid,Effusion", *(f"{uid.format(n)},1" for n in range(1, 11))],
    }
    for name, lines in rows.items():
        (folder / f"my_{name}.csv").write_text("\n".join(lines))
    return {name: folder / f"my_{name}.csv" for name in rows}


def test_reports_are_named_with_or_without_their_letters(openi: Path, tmp_path: Path) -> None:
    prepare_openi(openi, tmp_path / "plain", OPTIONS, **write_tables(tmp_path))
    prepare_openi(openi, tmp_path / "letters", OPTIONS, **write_tables(tmp_path, uid="CXR{}"))
    found = studies(tmp_path / "letters")
    assert found["CXR3"].findings == {"Pleural Effusion": Certainty.POSITIVE}
    assert found == studies(tmp_path / "plain")


def test_what_the_tables_do_not_name_is_counted(openi: Path, tmp_path: Path) -> None:
    assert prepare_openi(openi, tmp_path / "out", OPTIONS, **write_tables(tmp_path)).remarks == {
        "images whose projection my_projections.csv names": 11,
        "images without a projection that is known": 11,
        "studies split by my_splits.csv": 11,
        "studies with findings from my_labels.csv": 10,
        "reports that the table of labels (my_labels.csv) does not name": 1,
    }


def test_it_is_said_where_views_splits_and_findings_come_from(openi: Path, tmp_path: Path) -> None:
    assert prepare_openi(openi, tmp_path / "none", OPTIONS).remarks == {
        "images without a projection that is known": 24,
        "studies split by a hash of the report": 12,
        "studies with findings from MeSH terms": 12,
    }
    tables = write_tables(tmp_path)
    for name, usual in (("projections", "projections"), ("splits", "split"), ("labels", "labels_nih14")):
        tables[name].rename(openi / f"{usual}.csv")
    remarks = " ".join(prepare_openi(openi, tmp_path / "found", OPTIONS).remarks)
    assert all(name in remarks for name in ("projections.csv names", "by split.csv", "from labels_nih14.csv"))


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("projections", "uid,image_id,projection\n1,CXR1_1_IM-0001,Frontal\n", "24 images"),
        ("splits", "uid,split\n901,train\n902,test\n", "12 reports"),
        ("labels", "uid,Effusion\nx1,1\n", "12 reports"),
    ],
)
def test_a_table_of_other_reports_is_refused(openi: Path, tmp_path: Path, name: str, text: str, what: str) -> None:
    file = tmp_path / "other.csv"
    file.write_text(text)
    with pytest.raises(SourceError, match=f"other.csv names none of the {what} .*give the table of this folder"):
        prepare_openi(openi, tmp_path / "out", OPTIONS, **{name: file})
    assert not (tmp_path / "out").exists()


def test_an_image_with_two_projections_is_refused(openi: Path, tmp_path: Path) -> None:
    image = "CXR1_1_IM-0001-3001"
    table = openi / "projections.csv"
    table.write_text(f"uid,image_id,projection\n1,{image},Frontal\n1,{image}.png,frontal\n1,{image},Lateral\n")
    with pytest.raises(SourceError, match=r"projections\.csv line 4 says of 1_IM-0001-3001 something else than line 2"):
        prepare_openi(openi, tmp_path / "out", OPTIONS)


def test_the_kaggle_and_dicom_editions_of_the_names_are_found(openi: Path, tmp_path: Path, write_picture) -> None:
    shutil.rmtree(openi / "images")
    for number in range(1, 13):
        write_picture(openi / "images_normalized" / f"{number}_IM-0001-4001.dcm.png")
    rows = [f"{number},{number}_IM-0001-4001.dcm.png,Frontal" for number in range(1, 13)]
    (openi / "indiana_projections.csv").write_text("uid,filename,projection\n" + "\n".join(rows))
    for number in range(1, 13):
        report = openi / "ecgen-radiology" / f"{number}.xml"
        report.write_text(report.read_text().replace(f"CXR{number}_1_IM", f"CXR{number}_{number}_IM"))
    summary = prepare_openi(openi, tmp_path / "out", OPTIONS)
    assert (summary.studies, summary.images, summary.absent_images) == (12, 12, 12)
    assert {image.view for study in studies(tmp_path / "out").values() for image in study.images} == {View.FRONTAL}


def test_archives_may_be_unpacked_into_folders_of_their_own(openi: Path, tmp_path: Path) -> None:
    nested = tmp_path / "nested"
    for part in ("ecgen-radiology", "images"):
        shutil.copytree(openi / part, nested / f"archive_of_{part}" / "inner" / part)
    assert prepare_openi(nested, tmp_path / "out", OPTIONS).studies == 12


def test_a_png_is_preferred_to_other_files_of_the_same_image_and_they_are_counted(
    openi: Path, tmp_path: Path, write_picture
) -> None:
    write_picture(openi / "also" / "CXR1_1_IM-0001-3001.jpg")
    (openi / "also" / "CXR1_1_IM-0001-3001.dcm").touch()
    summary = prepare_openi(openi, tmp_path / "out", OPTIONS)
    assert summary.remarks["files of the same image, unused"] == 2
    assert studies(tmp_path / "out")["CXR1"].images[0].path == "images/CXR1_1_IM-0001-3001.png"


def test_what_cannot_be_used_is_recorded_with_its_reason(openi: Path, tmp_path: Path, write_report) -> None:
    image = "CXR{0}_1_IM-0001-3001".format
    write_report(openi, 1, images=[image(1)], findings="XXXX.")
    write_report(openi, 2, images=[image(2)], findings="", terms=["No Indexing"])
    write_report(openi, 3, images=[])
    write_report(openi, 4, images=["CXR4_1_IM-9999"])
    (openi / "ecgen-radiology" / "5.xml").write_text('<!DOCTYPE a [<!ENTITY x "y">]><eCitation/>')
    shutil.copytree(
        openi / "ecgen-radiology", openi / "copy" / "ecgen-radiology", ignore=lambda _, names: set(names) - {"6.xml"}
    )
    summary = prepare_openi(openi, tmp_path / "out", OPTIONS)
    found = studies(tmp_path / "out")
    assert set(found) == {"CXR1", *(f"CXR{number}" for number in range(6, 13))}
    assert "findings" not in found["CXR1"].sections
    named = [
        (kind, which, why) for kind, which, why in reasons(tmp_path / "out") if why != "no report names this image"
    ]
    assert sorted(named) == [
        ("image", "CXR4", "the report names this image, the raw folder lacks it"),
        ("report", "CXR1", "neither findings nor impression; kept for its labels"),
        ("report", "CXR2", "neither findings nor impression"),
        ("report", "CXR3", "the report names no image"),
        ("report", "CXR4", "none of the images that it names is there"),
        ("report", "CXR6", "a report of the same id was read before"),
        ("report", "ecgen-radiology/5.xml", "the XML declares a document type, which no Open-I report does"),
    ]
    assert summary.rejected["image: no report names this image"] == 8
    assert summary.absent_images == 1
    assert (tmp_path / "out" / "absent.txt").read_text() == "CXR4_1_IM-9999\n"


def test_all_planted_faults_and_nothing_else_are_left_out(tmp_path: Path) -> None:
    synthesize_openi(tmp_path / "raw", studies=6, seed=0, image_size=64, faults=True)
    prepare_openi(tmp_path / "raw", tmp_path / "out", OPTIONS)
    require_faults(tmp_path / "out", tmp_path / "raw")
    assert read_truth(tmp_path / "raw").keys() < studies(tmp_path / "out").keys()


def test_a_folder_of_another_layout_is_refused_with_the_mend(openi: Path, tmp_path: Path) -> None:
    shutil.move(openi / "images", tmp_path / "images")
    with pytest.raises(SourceError, match=r"no \.png, \.jpg or \.dcm image.*unpack NLMCXR_png.tgz"):
        prepare_openi(openi, tmp_path / "out", OPTIONS)
    with pytest.raises(SourceError, match=r"no ecgen-radiology/\*\.xml.*unpack NLMCXR_reports.tgz"):
        prepare_openi(tmp_path / "images", tmp_path / "out", OPTIONS)
    assert not (tmp_path / "out").exists()


def test_the_folder_of_reports_itself_may_be_named_if_images_are_below(openi: Path, tmp_path: Path) -> None:
    shutil.move(openi / "images", openi / "ecgen-radiology" / "images")
    assert prepare_openi(openi / "ecgen-radiology", tmp_path / "out", OPTIONS).studies == 12


@pytest.mark.shared
def test_real_reports_and_images_give_the_documented_counts(shared_folder: Path, tmp_path: Path) -> None:
    source = read_openi(shared_folder / "data" / "openi")
    drafts = list(source.drafts)
    found = [draft for draft in drafts if isinstance(draft, Study)]
    assert (len(found), sum(len(study.images) for study in found)) == (3193, 6196)
    assert sum(draft.kind == "report" for draft in drafts if isinstance(draft, Rejection)) == 129
    assert all(study.sections.get("findings") or study.sections.get("impression") for study in found)
    assert {image.view for study in found for image in study.images} == {View.FRONTAL, View.LATERAL}
    assert {study.split for study in found} == set(Split)
    # The images are small grey JPEG files already: they are stored without a second compression.
    run_pipeline(source, tmp_path / "out", PrepareOptions(processes=1, limit=20))
    for study in read_manifest(tmp_path / "out"):
        for image in study.images:
            assert image.stored is not None
            shard = (tmp_path / "out" / image.stored.shard).read_bytes()
            kept = shard[image.stored.offset :][: image.stored.length]
            assert kept == (source.raw / image.path).read_bytes()
