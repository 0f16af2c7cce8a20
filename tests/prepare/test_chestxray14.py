"""ChestX-ray14 folders, whole or partial, become studies with explicit negatives and boxes."""

import json
from pathlib import Path

import pytest

from cxr_clip.data.findings import CHESTXRAY14
from cxr_clip.data.manifest import read_manifest
from cxr_clip.errors import SourceError
from cxr_clip.prepare.chestxray14 import prepare_chestxray14, read_chestxray14
from cxr_clip.prepare.pipeline import PrepareOptions
from cxr_clip.study import Box, Certainty, Split, Study, View
from cxr_clip.synthetic import synthesize_chestxray14
from support_single_images import read_truth, require_faults

OPTIONS = PrepareOptions(short_side=24, processes=1)
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


def row(image: str, labels: str = "No Finding", *, patient: int, age: str = "50", view: str = "PA") -> str:
    return f"{image},{labels},0,{patient},{age},F,{view},2682,2749,0.143,0.143"


@pytest.fixture
def raw(tmp_path: Path, write_picture) -> Path:
    """Four patients: two images, one RGBA, one absent, one in the test list."""
    folder = tmp_path / "raw"
    rows = [
        row("00000001_000.png", "Cardiomegaly|Effusion", patient=1, age="058Y"),
        row("00000001_001.png", patient=1, age="411", view="AP"),
        row("00000002_000.png", "Pleural_Thickening", patient=2),
        row("00000003_000.png", patient=3),
        row("00000004_000.png", "Infiltration", patient=4, age="018M"),
    ]
    write_picture(folder / "images_001" / "images" / "00000001_000.png", seed=1)
    write_picture(folder / "images_001" / "images" / "00000001_001.png", seed=2)
    write_picture(folder / "images_002" / "images" / "00000002_000.png", seed=3, mode="RGBA")
    write_picture(folder / "images_002" / "images" / "00000004_000.jpg", seed=4)
    (folder / "Data_Entry_2017_v2020.csv").write_text("\n".join([HEADER, *rows]))
    names = [f"0000000{name}.png" for name in ("1_000", "1_001", "2_000", "3_000")]
    (folder / "train_val_list.txt").write_text("\n".join(names))
    (folder / "test_list.txt").write_text("00000004_000.png\n")
    (folder / "BBox_List_2017.csv").write_text(
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        "00000001_000.png,Cardiomegaly,256,512,128.0,64,,,\n00000004_000.png,Infiltrate,768,0,512,1024,,,\n"
    )
    return folder


def studies(out: Path) -> dict[str, Study]:
    return {study.id: study for study in read_manifest(out)}


def test_a_patient_of_the_test_list_is_not_trained_on(raw: Path, tmp_path: Path) -> None:
    (raw / "test_list.txt").write_text("00000001_001.png\n00000004_000.png\n")
    summary = prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    assert summary.rejected["study: test_list.txt names another image of its patient"] == 1
    found = studies(tmp_path / "out")
    assert "00000001_000" not in found
    assert found["00000001_001"].split is Split.TEST


def test_all_planted_faults_and_nothing_else_are_left_out(tmp_path: Path) -> None:
    synthesize_chestxray14(tmp_path / "raw", studies=12, seed=0, image_size=64, faults=True)
    prepare_chestxray14(tmp_path / "raw", tmp_path / "out", OPTIONS)
    require_faults(tmp_path / "out", tmp_path / "raw")
    assert read_truth(tmp_path / "raw").keys() < studies(tmp_path / "out").keys()


def test_images_that_are_there_become_studies(raw: Path, tmp_path: Path) -> None:
    summary = prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    found = studies(tmp_path / "out")
    assert list(found) == ["00000001_000", "00000001_001", "00000002_000", "00000004_000"]
    first = found["00000001_000"]
    assert (first.patient, first.source, first.age, first.sex) == ("1", "chestxray14", 58.0, "F")
    assert (first.images[0].path, first.images[0].view) == ("images_001/images/00000001_000.png", View.PA)
    assert first.sections == {}
    assert found["00000001_001"].images[0].view is View.AP
    assert found["00000001_001"].age is None
    assert found["00000004_000"].age == 1.5
    assert found["00000004_000"].split is Split.TEST
    assert found["00000001_000"].split is found["00000001_001"].split
    assert (summary.studies, summary.images) == (4, 4)
    assert summary.remarks == {"ages that are missing or above 120, set to unknown": 1}


def test_labels_are_explicit_both_ways(raw: Path, tmp_path: Path) -> None:
    prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    found = studies(tmp_path / "out")
    for study in found.values():
        assert set(study.findings) == {"No Finding", *CHESTXRAY14}
    positive = {
        name: {finding for finding, certainty in study.findings.items() if certainty is Certainty.POSITIVE}
        for name, study in found.items()
    }
    assert positive == {
        "00000001_000": {"Cardiomegaly", "Pleural Effusion"},
        "00000001_001": {"No Finding"},
        "00000002_000": {"Pleural Thickening"},
        "00000004_000": {"Infiltration"},
    }
    assert {certainty for study in found.values() for certainty in study.findings.values()} == {
        Certainty.POSITIVE, Certainty.NEGATIVE,
    }  # fmt: skip


def test_boxes_are_fractions_of_the_distributed_image(raw: Path, tmp_path: Path) -> None:
    prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    found = studies(tmp_path / "out")
    assert found["00000001_000"].boxes == (Box("Cardiomegaly", 0, 0.25, 0.5, 0.375, 0.5625),)
    assert found["00000004_000"].boxes == (Box("Infiltration", 0, 0.75, 0.0, 1.0, 1.0),)


def test_absent_images_are_counted_and_named(raw: Path, tmp_path: Path) -> None:
    summary = prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    assert summary.absent_images == 1
    assert (tmp_path / "out" / "absent.txt").read_text() == "00000003_000.png\n"
    (line,) = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "1 of 5 listed images are not in the raw folder; absent.txt names them"


def test_validation_takes_a_fifth_of_the_patients_whole(raw: Path, tmp_path: Path, write_picture) -> None:
    names = [f"{patient:08d}_{follow:03d}.png" for patient in range(1, 151) for follow in range(2)]
    for name in names:
        write_picture(raw / "images" / name, size=(8, 8))
    (raw / "Data_Entry_2017_v2020.csv").write_text("\n".join([HEADER, *(row(n, patient=int(n[:8])) for n in names)]))
    (raw / "train_val_list.txt").write_text("\n".join(names))
    (raw / "test_list.txt").write_text("")
    summary = prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    assert set(summary.splits) == {"train", "validate"}
    assert 40 <= summary.splits["validate"] <= 80  # 300 images of 150 patients; read_manifest checks the patients
    assert len(studies(tmp_path / "out")) == 300


def test_rows_that_contradict_the_lists_are_recorded(raw: Path, tmp_path: Path, write_picture) -> None:
    write_picture(raw / "images" / "00000009_000.png")
    write_picture(raw / "images" / "00000005_000.png")
    write_picture(raw / "images" / "00000006_000.png")
    table = raw / "Data_Entry_2017_v2020.csv"
    more = [
        row("00000005_000.png", patient=5),
        row("00000006_000.png", "Gout", patient=6),
        row("00000002_000.png", patient=2),
    ]
    table.write_text("\n".join([table.read_text(), *more]))
    (raw / "test_list.txt").write_text("00000004_000.png\n00000006_000.png\n")
    prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    with (tmp_path / "out" / "rejected.jsonl").open() as stream:
        rows = [json.loads(line) for line in stream]
    told = {(entry["study"] or entry["path"]): entry["reason"] for entry in rows}
    assert told["00000005_000"] == "neither train_val_list.txt nor test_list.txt names this image"
    assert told["00000006_000"] == "'Gout' is none of the 14 labels of the data set"
    assert told["00000002_000"] == "the table of labels lists this image twice"
    assert told["images/00000009_000.png"] == "the table of labels does not list this image"
    assert len(studies(tmp_path / "out")) == 4


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ("", "the table of labels has no label for this image, not even No Finding"),
        ("No Finding|Mass", "the labels 'No Finding|Mass' contradict each other"),
        ("Fracture|Mass", "'Fracture' is none of the 14 labels of the data set"),
    ],
)
def test_labels_that_do_not_tell_all_14_are_recorded(
    raw: Path, tmp_path: Path, write_picture, labels: str, reason: str
) -> None:
    write_picture(raw / "images" / "00000005_000.png")
    table = raw / "Data_Entry_2017_v2020.csv"
    table.write_text("\n".join([table.read_text(), row("00000005_000.png", labels, patient=5)]))
    (raw / "test_list.txt").write_text("00000004_000.png\n00000005_000.png\n")
    summary = prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    assert summary.rejected[f"study: {reason}"] == 1
    assert "00000005_000" not in studies(tmp_path / "out")


def test_a_list_may_begin_with_a_byte_order_mark(raw: Path, tmp_path: Path) -> None:
    for name in ("train_val_list.txt", "test_list.txt"):
        (raw / name).write_bytes(b"\xef\xbb\xbf" + (raw / name).read_bytes().replace(b"\n", b"\r\n"))
    assert prepare_chestxray14(raw, tmp_path / "out", OPTIONS).studies == 4


def test_a_list_that_is_no_text_is_named_with_the_mend(raw: Path, tmp_path: Path) -> None:
    (raw / "test_list.txt").write_bytes("00000004_000.png\n".encode("utf-16"))
    with pytest.raises(SourceError, match=r"test_list\.txt cannot be read as UTF-8 text .*download it again"):
        prepare_chestxray14(raw, tmp_path / "out", OPTIONS)


def test_a_png_is_preferred_to_a_jpg_and_the_double_counted(raw: Path, tmp_path: Path, write_picture) -> None:
    write_picture(raw / "a" / "00000001_000.jpg")
    summary = prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    assert summary.remarks["files of the same image, unused"] == 1
    assert studies(tmp_path / "out")["00000001_000"].images[0].path.endswith(".png")


def test_the_older_name_of_the_table_and_a_folder_without_boxes_are_fine(raw: Path, tmp_path: Path) -> None:
    (raw / "Data_Entry_2017_v2020.csv").rename(raw / "Data_Entry_2017.csv")
    (raw / "BBox_List_2017.csv").unlink()
    prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    assert studies(tmp_path / "out")["00000001_000"].boxes == ()


@pytest.mark.parametrize("name", ["Data_Entry_2017_v2020.csv", "train_val_list.txt", "test_list.txt"])
def test_a_missing_list_is_named_with_the_mend(raw: Path, tmp_path: Path, name: str) -> None:
    (raw / name).unlink()
    with pytest.raises(SourceError, match=f"has no {name}.*put the file there"):
        prepare_chestxray14(raw, tmp_path / "out", OPTIONS)


def test_a_folder_without_any_listed_image_and_broken_boxes_are_refused(raw: Path, tmp_path: Path) -> None:
    (raw / "BBox_List_2017.csv").write_text("Image Index\n00000001_000.png,Mass,a,b,c,d\n")
    with pytest.raises(SourceError, match="line 2 is no box"):
        prepare_chestxray14(raw, tmp_path / "out", OPTIONS)
    (raw / "BBox_List_2017.csv").unlink()
    for image in [*raw.rglob("*.png"), *raw.rglob("*.jpg")]:
        image.unlink()
    with pytest.raises(SourceError, match=r"none of the 5 listed images.*unpack images_001"):
        prepare_chestxray14(raw, tmp_path / "out", OPTIONS)


@pytest.mark.shared
def test_a_real_partial_download_gives_the_documented_counts(shared_folder: Path) -> None:
    raw = shared_folder / "data" / "chestxray14"
    source = read_chestxray14(raw)
    there = {path.stem for path in (raw / "images").iterdir()}
    found = {draft.id for draft in source.drafts if isinstance(draft, Study)}
    assert found == there
    assert len(source.absent) == 112_120 - len(there)
